"""Matching: pairs of calls and records."""
