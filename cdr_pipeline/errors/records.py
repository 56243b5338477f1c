"""Errors of loading records."""

from cdr_pipeline.errors.base import CdrError


class UnbalancedBatch(CdrError):
    """Rows read and rows accounted for differ; the batch was not merged."""

    code = "unbalanced_batch"
    exit_code = 7


class ClaimLost(CdrError):
    """The lease of this process expired and another process took over; this one recorded nothing."""

    code = "claim_lost"
    retryable = True
    exit_code = 4
