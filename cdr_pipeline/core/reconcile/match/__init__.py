"""Pairs of calls and records."""
