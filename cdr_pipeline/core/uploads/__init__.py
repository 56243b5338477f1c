"""Imported files: profiles, control totals and series of files."""
