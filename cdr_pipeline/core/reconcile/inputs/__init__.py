"""Inputs of a reconciliation: sides, calls, rules and rate card."""
