"""What a reconciliation compares: calls, rules, rate card."""
