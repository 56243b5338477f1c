"""Business days and their files."""
