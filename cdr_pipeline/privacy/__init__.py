"""Masking of personal data and secrets."""
