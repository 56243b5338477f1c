"""The field dictionary and the frames generated from it."""
