"""Reconciliations: their inputs, stored versions, breaks and decisions."""
