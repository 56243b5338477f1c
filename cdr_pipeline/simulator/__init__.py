"""A switch that makes realistic traffic and speaks the Kazoo CDR API over HTTP; the demo and tests run against it.

Every number is from a range reserved for fiction, every name invented.
"""
