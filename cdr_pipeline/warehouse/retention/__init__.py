"""Retention and erasure: policies, removed months, masking, numbers erased on request."""
