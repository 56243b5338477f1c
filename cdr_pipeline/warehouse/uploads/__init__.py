"""Imported files, rejected rows, and stored responses to upload requests."""
