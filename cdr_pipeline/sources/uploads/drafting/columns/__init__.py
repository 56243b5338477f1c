"""Columns of a sample: what they hold, and which field each one is."""
