"""What starts runs, or speaks up, by itself: one sensor a file."""
