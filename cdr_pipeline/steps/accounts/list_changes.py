"""What happened to the days of an account since a program last asked."""

from typing import Any

from cdr_pipeline.errors import ChangesGone
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.changes import AccountChange


def list_changes(account_id: str, after: int | None, most: int, ctx: RunContext) -> tuple[list[dict[str, Any]], int]:
    """Changes of an account in order as JSON values, and the number of its newest change.

    Args:
        account_id: account that owns the records.
        after: number of the last change that is known; None for the oldest that is kept.
        most: largest number of changes.
        ctx: settings, warehouse and clock.

    Raises:
        ChangesGone: changes after the known one were removed, or the warehouse does not know it after a restore.
    """
    with ctx.ledger() as ledger:
        first, last = ledger.changes.bounds(account_id) or (1, 0)
        if after is not None and not first - 1 <= after <= last:
            raise ChangesGone(
                f"change {after} is unknown; the changes {first} to {last} are kept",
                hint="read the days of the account again, then follow from the newest change",
            )
        changes = ledger.changes.after(account_id, after or 0, most=most)
    return [shown_change(change) for change in changes], last


def shown_change(change: AccountChange) -> dict[str, Any]:
    """A change as JSON values."""
    return {
        "change": change.change_no,
        "kind": change.kind,
        "business_date": change.business_date and change.business_date.isoformat(),
        "happened_at": change.happened_at.isoformat(),
        "details": change.details,
    }
