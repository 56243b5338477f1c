"""Durable file writes and file locks, for every layer."""
