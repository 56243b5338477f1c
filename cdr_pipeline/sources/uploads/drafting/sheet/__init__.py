"""Shapes of unknown files: delimited, fixed width, JSON, XML; header and footers."""
