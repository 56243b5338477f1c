"""Days whose files do not contain their latest records. Open days are exported again, sealed days are restated."""

from datetime import datetime

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import LateDay

__all__ = ["LateDay", "late_days"]


def late_days(ctx: RunContext, *, before: datetime) -> list[LateDay]:
    """Days with a change made earlier than ``before`` that is not in their file, ordered by account and date."""
    with ctx.ledger() as ledger:
        return ledger.health.late_days([account.account_id for account in ledger.accounts.active()], before=before)
