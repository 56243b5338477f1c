"""Removes, archives and masks old records as each account's policy says; totals of what is removed are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Literal

from cdr_pipeline.errors import UnbalancedBatch
from cdr_pipeline.exports.archive import ArchivedFile, write_archive
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger, MonthRemoval, RetentionPolicy


@dataclass(frozen=True, slots=True)
class RetainedMonth:
    """What became of a month that is older than its account's policy keeps.

    Attributes:
        account_id, month: whose, and its first day.
        outcome: ``removed`` now; ``already`` removed by another run meanwhile; ``due``, in a dry run; ``refused``,
            while some days are open or late; ``failed``.
        records: that were removed, or would be.
        unfinished: days that are in the way.
        archived: the file in which they are now.
        failure: what went wrong, if anything.
    """

    account_id: str
    month: date
    outcome: Literal["removed", "already", "due", "refused", "failed"]
    records: int = 0
    unfinished: tuple[date, ...] = ()
    archived: ArchivedFile | None = None
    failure: AccountFailure | None = None


@dataclass(frozen=True, slots=True)
class RetentionResult:
    """What a run did: months, records masked by account, months whose partitions were dropped, accounts not masked."""

    months: tuple[RetainedMonth, ...]
    masked: dict[str, int]
    dropped: tuple[date, ...]
    unmasked: tuple[AccountFailure, ...] = ()

    @property
    def failures(self) -> tuple[AccountFailure, ...]:
        """Of months that could not be removed and of accounts that could not be masked."""
        return (*(month.failure for month in self.months if month.failure is not None), *self.unmasked)


def set_policy(
    account_id: str,
    ctx: RunContext,
    *,
    keep_months: int | None,
    archive: bool,
    mask_after_days: int | None,
    actor: str,
) -> RetentionPolicy:
    """Says what becomes of an account's old records, in place of what was said before.

    Raises:
        AccountNotFound: no such account.
    """
    with ctx.ledger() as ledger:
        ledger.accounts.active([account_id])
        policy = RetentionPolicy(account_id, keep_months, archive, mask_after_days, actor, ctx.clock())
        ledger.retention.set_policy(policy)
    return policy


def list_policies(ctx: RunContext) -> list[RetentionPolicy]:
    """Every policy, in the order of the accounts."""
    with ctx.ledger() as ledger:
        return ledger.retention.policies()


def retain_records(ctx: RunContext, *, accounts: Sequence[str] | None = None, dry_run: bool = False) -> RetentionResult:
    """Applies every policy, one account's failure leaving the others alone.

    Whatever dies in between is done by the next run; what is done is not done again.

    A month is removed whole, in a transaction of its own, once all of its days are sealed or restated and their files
    show all changes. A leg belongs to the day of its API record, and its imported record goes with it. Files that were
    exported stay; records of a removed month that come again are rejected (``month_removed``).

    Args:
        ctx: settings, warehouse, clock and progress callback.
        accounts: whose policies; everybody's when omitted.
        dry_run: only says which months are due.

    Raises:
        ClockDisagrees: this machine's clock is not the warehouse's; nothing was removed.
    """
    months: list[RetainedMonth] = []
    masked: dict[str, int] = {}
    unmasked: list[AccountFailure] = []
    today = ctx.clock().date()
    with ctx.ledger() as ledger:
        require_clock(ledger, ctx)
        for policy in ledger.retention.policies():
            if accounts is not None and policy.account_id not in accounts:
                continue
            due = due_months(policy, ledger, today)
            months += [_retain_month(policy, month, ledger, ctx, dry_run=dry_run) for month in due]
            if policy.mask_after_days is not None and not dry_run:
                before = today - timedelta(days=policy.mask_after_days)
                try:
                    masked[policy.account_id] = _mask(policy.account_id, before, ledger)
                except Exception as error:  # noqa: BLE001 - one account's failure is that account's
                    unmasked.append(contained(policy.account_id, "masking", error))
        dropped = () if dry_run else ledger.retention.drop_empty_partitions()
    return RetentionResult(tuple(months), masked, dropped, tuple(unmasked))


def due_months(policy: RetentionPolicy, ledger: Ledger, today: date) -> Sequence[date]:
    """First days of the months that are older than a policy keeps and still there."""
    if policy.keep_months is None:
        return ()
    return ledger.retention.months_to_remove(policy.account_id, months_after(today, -policy.keep_months))


def months_after(day: date, months: int) -> date:
    """First day of the month so many months after that of a day."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _retain_month(
    policy: RetentionPolicy, month: date, ledger: Ledger, ctx: RunContext, *, dry_run: bool
) -> RetainedMonth:
    found = RetainedMonth(policy.account_id, month, "due")
    try:
        with ledger.retention.remove_month(policy.account_id, month) as removal:
            # Two runs at once both find the month due; the second gets the account's lock when the first has committed.
            if month not in ledger.retention.months_to_remove(policy.account_id, months_after(month, 1)):
                return replace(found, outcome="already")
            if unfinished := removal.unfinished_days():
                return replace(found, outcome="refused", unfinished=unfinished)
            found = replace(found, records=removal.count())
            if dry_run:
                return found
            archived = _archive(removal, ctx) if policy.archive and found.records else None
            deleted = removal.remove(
                records=found.records,
                archived_path=None if archived is None else str(archived.path.relative_to(ctx.settings.archive_dir)),
                archived_sha256=None if archived is None else archived.sha256,
                now=ctx.clock(),
            )
            _require_balance(found, deleted, found.records if archived is None else archived.rows)
    except Exception as error:  # noqa: BLE001 - one month's failure is that month's
        return replace(found, outcome="failed", failure=contained(policy.account_id, f"month {month:%Y-%m}", error))
    ctx.progress(f"removed {policy.account_id} {month:%Y-%m}")
    return replace(found, outcome="removed", archived=archived)


def _require_balance(month: RetainedMonth, deleted: int, archived: int) -> None:
    if {deleted, archived} != {month.records}:
        raise UnbalancedBatch(
            f"account {month.account_id}, {month.month:%Y-%m}: {month.records} records known, {deleted} there",
            hint="records were removed from the table cdr by other means; restore them from a backup",
        )


def _archive(removal: MonthRemoval, ctx: RunContext) -> ArchivedFile:
    folder = ctx.settings.archive_dir / removal.account_id / f"{removal.month:%Y}"
    return write_archive(removal.records(), folder / f"cdr_{removal.account_id}_{removal.month:%Y-%m}.parquet")


def _mask(account_id: str, before: date, ledger: Ledger) -> int:
    """Month by month: loads of the account wait for one at most."""
    days = ledger.retention.finished_days(account_id, before)
    return sum(
        ledger.retention.mask(account_id, list(month)) for _, month in groupby(days, lambda day: (day.year, day.month))
    )
