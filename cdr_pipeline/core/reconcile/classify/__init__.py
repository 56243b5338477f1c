"""Class, cause and exposure of every row and pair."""
