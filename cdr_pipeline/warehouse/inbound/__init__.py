"""Inbound files."""
