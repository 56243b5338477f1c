"""Reconciliation of switch and carrier: optimal one-to-one pairs, one class per row, balanced totals."""
