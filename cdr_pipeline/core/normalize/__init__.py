"""Converts rows as delivered to canonical rows: one module for the switch's API, one for imported files."""
