"""Simulated switch with realistic traffic that serves the Kazoo CDR API over HTTP, for the demo and for tests.

All telephone numbers are from ranges reserved for fiction, and all names are invented.
"""
