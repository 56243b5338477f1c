"""The outside world to raw rows: the switch's API, uploaded files, and the landing files that keep both."""
