"""Removes, archives and masks old records by the policy of each account. Totals of removed records are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Final, Literal

from cdr_pipeline.errors import UnbalancedBatch
from cdr_pipeline.exports.archive import ArchivedFile, write_archive
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.records.extracts import clear_extracts, withdraw_extracts
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.retention.policies import MonthRemoval, RetentionPolicy

# A program that follows an account and stops for longer reads its days again.
CHANGES_KEPT: Final = timedelta(days=90)
# A record of a business date is saved at most this long after it: the longest call, and a zone.
_EDGE: Final = timedelta(days=33)


@dataclass(frozen=True, slots=True)
class RetainedMonth:
    """Result for a month that has passed the retention period of its account.

    Attributes:
        account_id, month: account, and first day of the month.
        outcome: ``removed``; ``already``, another run has removed it meanwhile; ``due``, in a dry run; ``refused``,
            some days are open or have late changes; ``failed``.
        records: number of records removed, or due for removal.
        unfinished: open or late days that block the removal.
        archived: archive file with the removed records.
        failure: cause of a failed month.
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
    """Result of a run: months, masked records by account, dropped monthly partitions, accounts that failed to mask."""

    months: tuple[RetainedMonth, ...]
    masked: dict[str, int]
    dropped: tuple[date, ...]
    unmasked: tuple[AccountFailure, ...] = ()

    @property
    def failures(self) -> tuple[AccountFailure, ...]:
        """Failures of months that could not be removed and of accounts that could not be masked."""
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
    """Sets the retention policy of an account. It replaces the previous policy.

    Raises:
        AccountNotFound: the account is not registered.
    """
    with ctx.ledger() as ledger:
        ledger.accounts.active([account_id])
        policy = RetentionPolicy(account_id, keep_months, archive, mask_after_days, actor, ctx.clock())
        ledger.retention.set_policy(policy)
    return policy


def list_policies(ctx: RunContext) -> list[RetentionPolicy]:
    """All policies, ordered by account."""
    with ctx.ledger() as ledger:
        return ledger.retention.policies()


def retain_records(ctx: RunContext, *, accounts: Sequence[str] | None = None, dry_run: bool = False) -> RetentionResult:
    """Applies every policy. A failure of one account does not affect the others.

    If a run is killed, the next one completes the work. Completed work is not repeated.

    A month is removed in one transaction, once all of its days are sealed or restated and their files contain all
    changes. A leg belongs to the day of its API record, and its imported record goes with it. Exported files
    stay; files of extracts that may show removed or masked records are deleted. Records of a removed month that are
    delivered again are rejected (``month_removed``).

    Args:
        ctx: settings, warehouse, clock and progress callback.
        accounts: ids of accounts whose policies are applied; all when omitted.
        dry_run: whether to report the due months without removing them.

    Raises:
        ClockDisagrees: this machine's clock differs from the warehouse's; nothing was removed.
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
                    masked[policy.account_id] = _mask(policy.account_id, before, ledger, ctx)
                except Exception as error:  # noqa: BLE001 - one account's failure is that account's
                    unmasked.append(contained(policy.account_id, "masking", error))
        dropped = () if dry_run else ledger.retention.drop_empty_partitions()
        if not dry_run:
            ledger.changes.forget(before=ctx.clock() - CHANGES_KEPT)
            clear_extracts(ctx)
    return RetentionResult(tuple(months), masked, dropped, tuple(unmasked))


def due_months(policy: RetentionPolicy, ledger: Ledger, today: date) -> Sequence[date]:
    """First days of the months that have passed the retention period and still have records."""
    if policy.keep_months is None:
        return ()
    return ledger.retention.months_to_remove(policy.account_id, months_after(today, -policy.keep_months))


def months_after(day: date, months: int) -> date:
    """First day of the month that is ``months`` after the month of ``day``."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _retain_month(
    policy: RetentionPolicy, month: date, ledger: Ledger, ctx: RunContext, *, dry_run: bool
) -> RetainedMonth:
    result = RetainedMonth(policy.account_id, month, "due")
    try:
        with ledger.retention.remove_month(policy.account_id, month) as removal:
            # Two concurrent runs both see the month as due. The second gets the account's lock after the first commits.
            if month not in ledger.retention.months_to_remove(policy.account_id, months_after(month, 1)):
                return replace(result, outcome="already")
            if unfinished := removal.unfinished_days():
                return replace(result, outcome="refused", unfinished=unfinished)
            result = replace(result, records=removal.count())
            if dry_run:
                return result
            archived = _archive(removal, ctx) if policy.archive and result.records else None
            deleted = removal.remove(
                records=result.records,
                archived_path=None if archived is None else str(archived.path.relative_to(ctx.settings.archive_dir)),
                archived_sha256=None if archived is None else archived.sha256,
                now=ctx.clock(),
            )
            last = months_after(month, 1) - timedelta(days=1)
            _withdraw(policy.account_id, last, ledger, ctx)
            _require_balance(result, deleted, result.records if archived is None else archived.rows)
        _withdraw(policy.account_id, last, ledger, ctx)
    except Exception as error:  # noqa: BLE001 - one month's failure is that month's
        return replace(result, outcome="failed", failure=contained(policy.account_id, f"month {month:%Y-%m}", error))
    ctx.progress(f"removed {policy.account_id} {month:%Y-%m}")
    return replace(result, outcome="removed", archived=archived)


def _require_balance(month: RetainedMonth, deleted: int, archived: int) -> None:
    if {deleted, archived} != {month.records}:
        raise UnbalancedBatch(
            f"account {month.account_id}, {month.month:%Y-%m}: {month.records} records known, {deleted} there",
            hint="records were removed from the table cdr by other means; restore them from a backup",
        )


def _archive(removal: MonthRemoval, ctx: RunContext) -> ArchivedFile:
    folder = ctx.settings.archive_dir / removal.account_id / f"{removal.month:%Y}"
    return write_archive(removal.records(), folder / f"cdr_{removal.account_id}_{removal.month:%Y-%m}.parquet")


def _mask(account_id: str, before: date, ledger: Ledger, ctx: RunContext) -> int:
    """Masks one month per transaction, so that loads of the account wait for one month at most."""
    days, masked = ledger.retention.finished_days(account_id, before), 0
    for _, month in groupby(days, lambda day: (day.year, day.month)):
        dates = list(month)
        with ledger.transaction():
            records = ledger.retention.mask(account_id, dates)
            if records:
                _withdraw(account_id, dates[-1], ledger, ctx)
        if records:
            _withdraw(account_id, dates[-1], ledger, ctx)
        masked += records
    return masked


def _withdraw(account_id: str, last: date, ledger: Ledger, ctx: RunContext) -> None:
    """Withdraws the extracts that may show records up to a date.

    In the transaction that changes the records, so that a killed run leaves no file of them; and again after it, for
    extracts that were requested meanwhile and have read the records as they were.
    """
    end = datetime.combine(last + timedelta(days=1), time(), UTC)
    withdraw_extracts(account_id, ledger, now=ctx.clock(), before=end + _EDGE)
