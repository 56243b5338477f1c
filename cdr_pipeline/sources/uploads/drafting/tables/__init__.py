"""Tables of a drafted profile, one subject a file."""
