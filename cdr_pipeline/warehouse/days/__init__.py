"""Business days: their states, their files and the delivery of the files."""
