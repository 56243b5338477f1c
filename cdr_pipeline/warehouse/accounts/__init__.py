"""Accounts, API tokens and row level security per account."""
