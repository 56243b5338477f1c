"""Loads landed windows of a business date: normalises, validates, merges, and accounts for every row."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from queue import SimpleQueue
from uuid import uuid4

import orjson
import polars as pl

from cdr_pipeline import __version__
from cdr_pipeline.core.fields.schemas import CheckedRows
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.core.records.volume import Volume, compared_days, judge_volume
from cdr_pipeline.core.time.coverage import covered_through, not_covered
from cdr_pipeline.errors import CdrError, DayNotEnded
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.landing import LandingFile
from cdr_pipeline.sources.upstream import RecordOwner, Upstream
from cdr_pipeline.sources.upstream_registry import upstream_named, upstream_of
from cdr_pipeline.steps.collect.switch_dialects import known_dialect
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, LandedWindow, Ledger
from cdr_pipeline.warehouse.records.loading import BatchHeader, LoadedBatch, retried_load

_log = logging.getLogger(__name__)

# Allowance for switch clocks that run ahead. A call that starts later than this is rejected.
_LEAD = timedelta(days=1)
# Accounts loaded in parallel, one connection each: while one waits for the warehouse, another prepares its rows. More
# threads would only use more memory.
_MOST_AT_ONCE = 4


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

    def load(account: Account) -> AccountLoaded:
        ledger = free.get()
        try:
            return _load_account(account, request, ledger, ctx)
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
        with ThreadPoolExecutor(threads, thread_name_prefix="load") as pool:
            loaded = tuple(pool.map(load, accounts))
    return LoadedDay(request.business_date, loaded)


def _load_account(account: Account, request: LoadRequest, ledger: Ledger, ctx: RunContext) -> AccountLoaded:
    counts, reasons, touched = BatchCounts(), Counter[str](), frozenset[date]()
    failure: AccountFailure | None = None
    days = [request.business_date]
    if request.others and not request.replay:
        days += ledger.windows.days_to_load(account.account_id, request.business_date)
    volume: Volume | None = None
    for day in days:
        for window in ledger.windows.landed(account.account_id, day, replay=request.replay):
            try:
                loaded, rejected = retried_load(_load_window, account, day, window, ledger, ctx, replay=request.replay)
            except CdrError as error:
                failure = failure or AccountFailure.of(account.account_id, error)
                break
            except Exception as error:  # noqa: BLE001 - one account's failure must not stop the others
                failure = AccountFailure.of_fault(account.account_id, f"window {window.landing_path}", error)
                break
            counts += loaded.counts
            reasons.update(rejected)
            touched |= loaded.touched
        judged = _note_completeness(account, day, ledger, ctx)
        volume = judged if day == request.business_date else volume
    loaded_account = AccountLoaded(
        account.account_id,
        counts,
        dict(sorted(reasons.items())),
        touched,
        complete=volume is not None,
        volume=volume,
        ends_at=_later_end(account, request.business_date, ctx) if volume is None else None,
        failure=failure,
    )
    if loaded_account.foreign_rows:
        _log.error(
            "account %s: the switch delivered %d rows of another account; they are rejected",
            account.account_id,
            loaded_account.foreign_rows,
        )
    ctx.progress(f"{'loaded' if failure is None else 'could not load'} {account.account_id}")
    return loaded_account


def _later_end(account: Account, business_date: date, ctx: RunContext) -> datetime | None:
    """End of a day that has not ended; None if it has."""
    _, end = account.zones.bounds(business_date)
    return end if end > ctx.clock() else None


def _note_completeness(account: Account, business_date: date, ledger: Ledger, ctx: RunContext) -> Volume | None:
    """Records how far loaded windows cover the day. Returns its volume when they cover it without a gap, else None.

    A month's end counts as covered only when a loaded window crosses it as far as planned. Without a stored dialect,
    as after a reset, the plan is that of the dialect in which the windows were read. A window that failed since then
    leaves the day incomplete.
    """
    first, end = ledger.accounts.reread_account(account).zones.bounds(business_date)
    loaded = ledger.windows.loaded(account.account_id, business_date)
    through = covered_through(first, loaded)
    if through < end:
        return None
    if any(window.state == "failed" for window in ledger.windows.open(account.account_id, business_date)):
        return None
    dialect = known_dialect(account, ctx)
    read_in = ledger.windows.dialects_of_day(account.account_id, business_date) if dialect is None else [dialect]
    upstream = upstream_of(ctx.settings)
    if any(
        not_covered(upstream.needed_spans(first, end, name), loaded) for name in read_in if name in upstream.dialects
    ):
        return None
    compared = compared_days(business_date)
    volumes = ledger.days.volumes(account.account_id, compared)
    rows = ledger.days.count_records(account.account_id, business_date)
    volume = judge_volume(rows, [volumes[day] for day in compared if day in volumes])
    ledger.days.record_collected(
        account_id=account.account_id,
        business_date=business_date,
        complete_through=through,
        volume=volume,
        now=ctx.clock(),
    )
    return volume


def _load_window(
    account: Account, business_date: date, window: LandedWindow, ledger: Ledger, ctx: RunContext, *, replay: bool
) -> tuple[LoadedBatch, Counter[str]]:
    """Loads a window; one that landed again with the rows of its last load is recorded without reading it."""
    landing = LandingFile.open(ctx.settings.landing_dir / window.landing_path)
    upstream = upstream_named(landing.upstream, ctx.settings)
    now = ctx.clock()
    header = BatchHeader(account.account_id, uuid4(), "window", window.landing_path, now, business_date, ctx.run_id)

    def rules() -> str:
        """Hash of everything besides the rows on which the load depends."""
        owner = ledger.accounts.reread_account(account)
        content = [
            __version__,
            landing.upstream,
            window.dialect,
            [owner.time_zone, *map(asdict, owner.earlier_zones)],
            asdict(switch_plan(ctx.settings, owner)),
            sorted(ledger.records.removed_months(owner.account_id)),
        ]
        return hashlib.sha256(orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()

    # Detail documents are not part of the hash of the rows.
    if not replay and all(entry.part == "page" for entry in landing.entries):
        unchanged = ledger.records.load_unchanged(header, (window.starts_at, window.ends_at), rules)
        if unchanged is not None:
            return unchanged, Counter()
    reasons: Counter[str] = Counter()
    with ledger.records.load_batch(header) as load:
        owner = ledger.accounts.reread_account(account)
        plan = switch_plan(ctx.settings, owner)
        for chunk in normalized_chunks(landing, upstream, owner, plan, latest=now + _LEAD):
            removed = load.stage(chunk.rows)
            load.reject(chunk.rejects)
            reasons.update(chunk.rejects["reason"].to_list() + removed["reason"].to_list())
        loaded = load.finish(read=landing.rows, rules=rules())
    return loaded, reasons


def switch_plan(settings: Settings, account: Account) -> NumberPlan:
    """Number plan that the switch uses for an account."""
    return NumberPlan(
        country_code=account.country_code,
        national_prefix=settings.api_national_prefix,
        international_prefix=f"(?:0{{2,3}}|{settings.api_international_prefix})",
        tech_prefix=settings.api_tech_prefix,
    )


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
