"""Inbound files: connects to the places where carriers put files, and downloads files."""
