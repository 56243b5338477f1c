"""Loads landed windows of a business date: normalises, validates, merges, and accounts for every row."""

import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import polars as pl

from cdr_pipeline.core.fields.schemas import CheckedRows
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.core.records.volume import Volume
from cdr_pipeline.errors import DayNotEnded
from cdr_pipeline.sources.landing import LandingFile
from cdr_pipeline.sources.upstream import RecordOwner, Upstream
from cdr_pipeline.sources.upstream_registry import upstream_named
from cdr_pipeline.steps.collect.complete_days import note_completeness
from cdr_pipeline.steps.collect.load_group import (
    AccountWindows,
    LoadedWindow,
    load_read_together,
    load_unchanged_together,
)
from cdr_pipeline.steps.collect.small_windows import ReadWindow, read_small_windows
from cdr_pipeline.steps.collect.window_rules import header_of, owner_of, rules_of, switch_plan
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, LandedWindow, Ledger

_log = logging.getLogger(__name__)

# Allowance for switch clocks that run ahead. A call that starts later than this is rejected.
_LEAD = timedelta(days=1)
# Accounts loaded in parallel, one connection each: while one waits for the warehouse, another prepares its rows. More
# threads would only use more memory.
_MOST_AT_ONCE = 4
# Accounts of one thread whose states are read together, and whose small windows share a frame.
_MOST_TOGETHER = 50
# Rows of a thread that are in memory together, until they are merged.
_MOST_IN_MEMORY = 20_000


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to load.

    Attributes:
        business_date: day whose landed windows are loaded.
        accounts: ids of accounts to load; all active ones when omitted.
        replay: whether to load windows again that were loaded before, after a change of rules.
        others: whether to load landed windows of other days too, which were read again.
    """

    business_date: date
    accounts: Sequence[str] | None = None
    replay: bool = False
    others: bool = True


@dataclass(frozen=True, slots=True)
class AccountLoaded:
    """Result for one account.

    Attributes:
        account_id: account that owns the records.
        counts: rows by class over all windows; they balance.
        reject_reasons: rejected rows by reason code.
        touched: business dates with changed records.
        complete: whether loaded windows cover the whole day without a gap.
        volume: rows of a complete day compared with the usual number; None for an incomplete day.
        ends_at: end of the day, if it has not ended in the account's time zone and is incomplete for that reason.
        failure: cause of a failure; None on success.
    """

    account_id: str
    counts: BatchCounts
    reject_reasons: dict[str, int] = field(default_factory=dict[str, int])
    touched: frozenset[date] = frozenset()
    complete: bool = False
    volume: Volume | None = None
    ends_at: datetime | None = None
    failure: AccountFailure | None = None

    @property
    def foreign_rows(self) -> int:
        """Number of delivered rows that belong to another account."""
        return self.reject_reasons.get(Reject.OTHER_ACCOUNT, 0)


@dataclass(frozen=True, slots=True)
class LoadedDay:
    """Loaded rows of a business date by account, ordered by account id."""

    business_date: date
    accounts: tuple[AccountLoaded, ...]

    @property
    def counts(self) -> BatchCounts:
        """Rows by class over all accounts."""
        return sum((account.counts for account in self.accounts), BatchCounts())

    @property
    def reject_reasons(self) -> dict[str, int]:
        """Rejected rows by reason over all accounts."""
        total: Counter[str] = Counter()
        for account in self.accounts:
            total.update(account.reject_reasons)
        return dict(sorted(total.items()))

    @property
    def failures(self) -> tuple[AccountFailure, ...]:
        """Failures of accounts that were not loaded completely."""
        return tuple(account.failure for account in self.accounts if account.failure is not None)

    @property
    def unfinished(self) -> tuple[AccountFailure, ...]:
        """Accounts without a failure whose day has not ended."""
        return tuple(
            AccountFailure.of(
                account.account_id,
                DayNotEnded(f"{self.business_date} ends at {account.ends_at:%Y-%m-%d %H:%M} UTC in its time zone"),
            )
            for account in self.accounts
            if account.ends_at is not None and account.failure is None
        )

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Ids of accounts with a missing window: not collected, failed, or not loaded."""
        return tuple(account.account_id for account in self.accounts if not account.complete)


def load_day(request: LoadRequest, ctx: RunContext) -> LoadedDay:
    """Merges the day's landed windows, one transaction each. A failure of one account does not affect the others.

    Raises:
        AccountNotFound: a requested account is not registered.
        ClockDisagrees: this machine's clock differs from the warehouse's; today's calls could be rejected as future
            calls.
    """
    free = SimpleQueue[Ledger]()

    def load(accounts: Sequence[Account]) -> list[AccountLoaded]:
        ledger = free.get()
        try:
            return _load_accounts(accounts, request, ledger, ctx)
        finally:
            free.put(ledger)

    with ExitStack() as connections:
        first = connections.enter_context(ctx.ledger())
        require_clock(first, ctx)
        accounts = first.accounts.active(request.accounts)
        free.put(first)
        threads = max(1, min(_MOST_AT_ONCE, ctx.settings.collect_concurrency, len(accounts)))
        for _ in range(threads - 1):
            free.put(connections.enter_context(ctx.ledger()))
        size = min(_MOST_TOGETHER, -(-len(accounts) // threads)) or 1
        groups = [accounts[first : first + size] for first in range(0, len(accounts), size)]
        with ThreadPoolExecutor(threads, thread_name_prefix="load") as pool:
            loaded = tuple(account for group in pool.map(load, groups) for account in group)
    return LoadedDay(request.business_date, loaded)


def _load_accounts(
    accounts: Sequence[Account], request: LoadRequest, ledger: Ledger, ctx: RunContext
) -> list[AccountLoaded]:
    """Loads some accounts: first the windows that have nothing new, then small ones together, then the others."""
    day = request.business_date
    landed = ledger.windows.to_load(
        [account.account_id for account in accounts], day, others=request.others, replay=request.replay
    )
    loads: list[AccountWindows] = []
    for account in accounts:
        windows = landed.get(account.account_id, {})
        pending = {when: deque(windows.get(when, ())) for when in [day, *sorted(windows.keys() - {day})]}
        loads.append(AccountWindows(account, pending))
    if not request.replay:
        load_unchanged_together(loads, ledger, ctx)
    for part in _parts_in_memory(loads):
        to_read = [
            (ctx.settings.landing_dir / window.landing_path, owner_of(load.account, ctx))
            for load in part
            for windows in load.pending.values()
            for window in windows
        ]
        read = read_small_windows(to_read, ctx.settings, latest=ctx.clock() + _LEAD) if len(to_read) > 1 else {}
        load_read_together(part, read, ledger, ctx)
        for load in part:
            load.load(partial(_load_window, load.account, ledger=ledger, ctx=ctx, read=read, replay=request.replay))
    volumes = note_completeness([(load.account, when) for load in loads for when in load.pending], ledger, ctx)
    return [_result(load, request, volumes.get((load.account.account_id, day)), ctx) for load in loads]


def _parts_in_memory(loads: Sequence[AccountWindows]) -> Iterator[list[AccountWindows]]:
    """Accounts whose windows are read together before they are merged."""
    part: list[AccountWindows] = []
    rows = 0
    for load in loads:
        own = sum(window.rows for windows in load.pending.values() for window in windows)
        if part and rows + own > _MOST_IN_MEMORY:
            yield part
            part, rows = [], 0
        part.append(load)
        rows += own
    if part:
        yield part


def _result(load: AccountWindows, request: LoadRequest, volume: Volume | None, ctx: RunContext) -> AccountLoaded:
    account = load.account
    loaded = AccountLoaded(
        account.account_id,
        load.counts,
        dict(sorted(load.reasons.items())),
        load.touched,
        complete=volume is not None,
        volume=volume,
        ends_at=_later_end(account, request.business_date, ctx) if volume is None else None,
        failure=load.failure,
    )
    if loaded.foreign_rows:
        _log.error(
            "account %s: the switch delivered %d rows of another account; they are rejected",
            account.account_id,
            loaded.foreign_rows,
        )
    ctx.progress(f"{'loaded' if load.failure is None else 'could not load'} {account.account_id}")
    return loaded


def _later_end(account: Account, business_date: date, ctx: RunContext) -> datetime | None:
    """End of a day that has not ended; None if it has."""
    _, end = account.zones.bounds(business_date)
    return end if end > ctx.clock() else None


def _load_unchanged(
    account: Account, business_date: date, window: LandedWindow, *, ledger: Ledger, ctx: RunContext, replay: bool
) -> LoadedWindow | None:
    """Records a window that landed again with the rows of its last load, without reading it; None for another one."""
    if replay or not window.loaded_before:
        return None
    landing = LandingFile.open(ctx.settings.landing_dir / window.landing_path)
    if not landing.only_pages:
        return None

    def rules() -> str:
        owner = ledger.accounts.reread_account(account)
        return rules_of(owner, landing.upstream, window.dialect, ledger.records.removed_months(owner.account_id), ctx)

    header = header_of(account, business_date, window, ctx)
    unchanged = ledger.records.load_unchanged(header, (window.starts_at, window.ends_at), rules)
    return None if unchanged is None else (unchanged, Counter())


def _load_window(
    account: Account,
    business_date: date,
    window: LandedWindow,
    *,
    ledger: Ledger,
    ctx: RunContext,
    read: Mapping[Path, ReadWindow],
    replay: bool,
) -> LoadedWindow:
    """Loads a window, from its rows in ``read`` or from its landing file."""
    unchanged = _load_unchanged(account, business_date, window, ledger=ledger, ctx=ctx, replay=replay)
    if unchanged is not None:
        return unchanged
    landing = LandingFile.open(ctx.settings.landing_dir / window.landing_path)
    header = header_of(account, business_date, window, ctx)
    reasons: Counter[str] = Counter()
    with ledger.records.load_batch(header) as load:
        # The account is locked, so its time zone and number plan cannot change before the batch is recorded.
        owner = ledger.accounts.reread_account(account)
        known = read.get(landing.path)
        if known is not None and known.owner == owner_of(owner, ctx):
            chunks: Iterable[CheckedRows] = [known.checked]
        else:
            upstream, plan = upstream_named(landing.upstream, ctx.settings), switch_plan(ctx.settings, owner)
            chunks = normalized_chunks(landing, upstream, owner, plan, latest=header.now + _LEAD)
        for chunk in chunks:
            removed = load.stage(chunk.rows)
            load.reject(chunk.rejects)
            reasons.update(chunk.rejects["reason"].to_list() + removed["reason"].to_list())
        rules = rules_of(owner, landing.upstream, window.dialect, load.removed_months, ctx)
        loaded = load.finish(read=landing.rows, rules=rules)
    return loaded, reasons


def normalized_chunks(
    landing: LandingFile, upstream: Upstream, account: Account, plan: NumberPlan, *, latest: datetime
) -> Iterator[CheckedRows]:
    """Yields the normalised and validated rows of a landed window in frames of bounded size.

    Args:
        landing: pages and documents of the window.
        upstream: upstream that the window came from.
        account: account that owns the records; its time zone decides their business dates.
        plan: number plan of the switch.
        latest: latest permitted start of a call, UTC.
    """
    owner = RecordOwner(account.account_id, account.time_zone, plan, account.earlier_zones)
    for normalized in upstream.normalized(landing.replies(), owner):
        accepted = validate(normalized.rows, latest=latest)
        yield CheckedRows(accepted.rows, pl.concat([normalized.rejects, accepted.rejects]))
