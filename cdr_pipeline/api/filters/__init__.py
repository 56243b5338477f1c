"""Filters of a request: those of Kazoo, with Kazoo's meaning, and our own, whose names start with no Kazoo prefix.

Different filters are combined with AND, repeated values of one filter with OR. An unknown name is an error that lists
the known names, because ignoring a filter would return records that the client did not request.
"""
