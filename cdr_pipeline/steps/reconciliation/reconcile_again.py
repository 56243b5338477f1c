"""Reconciles days again after a decision about their inputs, so that their state is true at once and not next night."""

from collections.abc import Iterable
from datetime import date

from cdr_pipeline.steps.reconciliation.reconcile_day import ReconciledDay, ReconcileRequest, reconcile_day
from cdr_pipeline.steps.run_context import RunContext


def reconcile_again(account_id: str, days: Iterable[date], ctx: RunContext) -> list[ReconciledDay]:
    """Reconciles those of the days that were reconciled before, in order. Equal inputs make no new version.

    Args:
        account_id: account whose records or rejected lines have changed.
        days: business dates concerned.
        ctx: settings, warehouse, clock and progress callback.
    """
    with ctx.ledger() as ledger:
        known = [day for day in sorted(days) if ledger.reconciliations.of_day(account_id, day).status != "none"]
    return [reconcile_day(ReconcileRequest(day, [account_id]), ctx) for day in known]
