"""Errors of reconciliation."""

from cdr_pipeline.errors.base import CdrError


class ReconciliationError(CdrError):
    """Two sides could not be compared."""

    code = "reconciliation"
    exit_code = 7


class InvalidSide(ReconciliationError):
    """A side lacks columns or values that the matcher needs."""

    code = "invalid_side"


class BreakNotFound(ReconciliationError):
    """No break, or more than one, of the newest reconciliations matches the id."""

    code = "break_not_found"
    exit_code = 2
    http_status = 404


class InvoiceNotFound(ReconciliationError):
    """No invoice has that number."""

    code = "invoice_not_found"
    exit_code = 2
    http_status = 404


class InvoiceExists(ReconciliationError):
    """The warehouse has an invoice of that number with other content; it is not replaced without a reason."""

    code = "invoice_exists"
    exit_code = 2
    http_status = 409


class DecisionConflict(ReconciliationError):
    """A break was decided by another person or rule since it was read; nothing was decided."""

    code = "decision_conflict"
    exit_code = 2
    http_status = 409


class InvalidDecision(ReconciliationError):
    """A decision, rule or credit note lacks what it needs; nothing was recorded."""

    code = "invalid_decision"
    exit_code = 2
    http_status = 400


class UnbalancedReconciliation(ReconciliationError):
    """Rows, seconds or money by class do not add up to the input; no result is stored."""

    code = "unbalanced_reconciliation"
