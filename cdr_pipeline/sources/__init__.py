"""Reads raw rows from the switch's API and from uploaded files, and keeps their bytes in landing files."""
