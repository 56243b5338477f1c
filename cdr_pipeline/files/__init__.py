"""Durable writes and locks of files, for every layer."""
