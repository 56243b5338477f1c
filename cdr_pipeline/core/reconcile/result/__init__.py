"""Result of a reconciliation."""
