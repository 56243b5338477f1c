"""Difference between the clocks of switch and carrier."""
