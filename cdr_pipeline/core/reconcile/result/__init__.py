"""Result of a reconciliation: frames, outcomes, totals, verdict and controls."""
