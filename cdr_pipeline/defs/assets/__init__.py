"""Assets, one a file, named as the tables and files they make."""
