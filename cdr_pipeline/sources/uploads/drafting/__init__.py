"""Drafts import profiles from files: the shape of a file, what its columns are, and the tables of a profile."""
