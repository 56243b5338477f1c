"""Collects one business date from the switch: writes the pages of every account's windows to landing files.

Only the key of the next page is read here; ``load_day`` reads the rows. Landed pages can be loaded repeatedly without
a request to the switch.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from queue import SimpleQueue

from cdr_pipeline.errors import ConfigurationError, DayNotBegun, WindowOutdated
from cdr_pipeline.sources.upstream import UpstreamClient
from cdr_pipeline.sources.upstream_registry import upstream_of
from cdr_pipeline.steps.collect.collect_account import (
    LEASE_SECONDS,
    AccountCollected,
    collect_account_day,
    days_to_read_again,
    require_begun,
)
from cdr_pipeline.steps.collect.switch_dialects import known_dialect
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Collection, Ledger

_NEVER_CLAIMED = Collection(fence=0, released_claim=True, failed=False)


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """What to collect.

    Attributes:
        business_date: account-local day, each account in its own zone.
        accounts: accounts to collect; all active ones when omitted.
        besides: other days that the same run collects; they are not read again with this one.
    """

    business_date: date
    accounts: Sequence[str] | None = None
    besides: Sequence[date] = ()


@dataclass(frozen=True, slots=True)
class CollectedDay:
    """Landed windows of a business date by account, ordered by account id."""

    business_date: date
    accounts: tuple[AccountCollected, ...]

    @property
    def failures(self) -> tuple[AccountFailure, ...]:
        """Failures of accounts that were not collected completely."""
        return tuple(account.failure for account in self.accounts if account.failure is not None)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Ids of accounts that another process is collecting or has collected meanwhile."""
        return tuple(account.account_id for account in self.accounts if account.elsewhere)


def collect_day(request: CollectRequest, ctx: RunContext) -> CollectedDay:
    """Lands every window of the day for every account. A failure of one account does not affect the others.

    Windows select records by save time, from the start of the day to ``collect_overlap_hours`` after its end, but not
    beyond the current time. The ``collect_reread_days`` days before it are read again; windows with changed rows are
    landed again.

    Raises:
        ConfigurationError: no switch is configured, or a setting of it is invalid.
        ClockDisagrees: this machine's clock differs from the warehouse's; nothing was requested or recorded.
        AccountNotFound: a requested account is not registered.
    """
    if ctx.settings.api_url is None:
        raise ConfigurationError(
            "CDR_API_URL is not set: there is no switch to collect from",
            hint="set it and CDR_API_KEY, CDR_API_USER or CDR_API_TOKEN; see 'cdr-pipeline config check'",
        )
    upstream = upstream_of(ctx.settings)
    day = request.business_date
    free = SimpleQueue[Ledger]()

    def collect(account: Account) -> AccountCollected:
        ledger = free.get()
        try:
            before = begun.get(account.account_id, _NEVER_CLAIMED)
            days = outdated.get(account.account_id, ())
            return _collect_account(account, request, client, ledger, ctx, begun=before, outdated=days)
        finally:
            free.put(ledger)

    with ExitStack() as connections:
        first = connections.enter_context(ctx.ledger())
        require_clock(first, ctx)
        accounts = first.accounts.active(request.accounts)
        account_ids = [account.account_id for account in accounts]
        begun = first.windows.collections(account_ids, day)
        outdated = first.windows.outdated_days(account_ids, WindowOutdated.code)
        shared = connections.enter_context(ctx.ledger()).pace
        client = connections.enter_context(upstream.connect(wall_clock=ctx.clock, reserve=shared.reserve))
        free.put(first)
        # One connection per thread, not per account: the server starts a process for every connection.
        threads = max(1, min(ctx.settings.collect_concurrency, len(accounts)))
        for _ in range(threads - 1):
            free.put(connections.enter_context(ctx.ledger()))
        with ThreadPoolExecutor(threads, thread_name_prefix="collect") as pool:
            return CollectedDay(day, tuple(pool.map(collect, accounts)))


def require_any_begun(request: CollectRequest, ctx: RunContext) -> None:
    """Checks that the day has started for at least one account.

    Raises:
        AccountNotFound: a requested account is not registered.
        DayNotBegun: the day has not started for any of the accounts.
    """
    with ctx.ledger() as ledger:
        accounts = ledger.accounts.active(request.accounts)
    refusals: list[DayNotBegun] = []
    for account in accounts:
        try:
            require_begun(account, request.business_date, ctx)
        except DayNotBegun as refusal:
            refusals.append(refusal)
    if refusals and len(refusals) == len(accounts):
        raise refusals[0]


def _collect_account(
    account: Account,
    request: CollectRequest,
    client: UpstreamClient,
    ledger: Ledger,
    ctx: RunContext,
    *,
    begun: Collection,
    outdated: Sequence[date],
) -> AccountCollected:
    """Collects the day, then reads earlier days again. If the day fails, the earlier days are skipped.

    Args:
        account: account that owns the records.
        request: what to collect.
        client: client of the switch.
        ledger: ledger over a connection that no other thread uses.
        ctx: settings, warehouse, clock and progress callback.
        begun: state of the day's collection when this run started.
        outdated: days with outdated windows, newest first.
    """
    day, windows = request.business_date, ledger.windows
    try:
        require_begun(account, day, ctx)
    except DayNotBegun as error:
        return AccountCollected(account.account_id, failure=AccountFailure.of(account.account_id, error))
    claim = None
    if begun.released_claim:
        claim = windows.claim(account.account_id, day, lease_seconds=LEASE_SECONDS, after=begun.fence)
    if claim is None and _done_meanwhile(windows.collections([account.account_id], day).get(account.account_id), begun):
        ctx.progress(f"{account.account_id} has been collected by another process meanwhile")
        return AccountCollected(account.account_id, elsewhere=True)
    collected = collect_account_day(account, day, client, ledger, ctx, claim=claim)
    if collected.failure is None and collected.dialect is not None:
        if collected.dialect != known_dialect(account, ctx):
            # Its detection may have marked windows as outdated.
            outdated = windows.outdated_days([account.account_id], WindowOutdated.code).get(account.account_id, ())
        account = replace(account, dialect=collected.dialect, dialect_seen_at=ctx.clock())
        for earlier in days_to_read_again(account, day, outdated, ctx, besides=request.besides):
            collected = collected.plus(collect_account_day(account, earlier, client, ledger, ctx, again=True))
            if collected.failure is not None:
                break
    ctx.progress(f"{'collected' if collected.failure is None else 'could not collect'} {account.account_id}")
    return collected


def _done_meanwhile(now: Collection | None, begun: Collection) -> bool:
    """Whether another process had claimed the day at the start of this run, or since, and has completed it.

    A night that schedule, UI and command line start at the same time is collected once.
    """
    if now is None or not now.released_claim or now.failed:
        return False
    return now.fence > begun.fence or not begun.released_claim
