"""Class and amount of every row."""
