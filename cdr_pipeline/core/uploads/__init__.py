"""Imported files."""
