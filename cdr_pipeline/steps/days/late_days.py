"""Days whose files do not show their latest records: open ones to export again, sealed ones to restate."""

from datetime import datetime

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import LateDay

__all__ = ["LateDay", "late_days"]


def late_days(ctx: RunContext, *, before: datetime) -> list[LateDay]:
    """Days whose last change is older than an instant and not in their file, in the order of account and date."""
    with ctx.ledger() as ledger:
        return ledger.health.late_days([account.account_id for account in ledger.accounts.active()], before=before)
