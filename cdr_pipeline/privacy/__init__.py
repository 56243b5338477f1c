"""Masking of personal data and secrets in logs, errors and metadata."""
