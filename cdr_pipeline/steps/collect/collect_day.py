"""Collects one business date from the switch: every account's windows, page by page, into landing files.

Nothing is interpreted here beyond what is needed to ask for the next page. What is landed can be loaded, and loaded
again, without asking the switch.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from queue import SimpleQueue

from cdr_pipeline.errors import ConfigurationError, DayNotBegun
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.steps.collect.collect_account import (
    AccountCollected,
    collect_account_day,
    days_to_read_again,
    require_begun,
)
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Collection, Ledger

_NEVER_TAKEN = Collection(fence=0, released_claim=True, failed=False)


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """What to collect.

    Attributes:
        business_date: account-local day, each account in its own zone.
        accounts: accounts to collect; all active ones when omitted.
        besides: other days of the same run, which are not read again with this one.
    """

    business_date: date
    accounts: Sequence[str] | None = None
    besides: Sequence[date] = ()


@dataclass(frozen=True, slots=True)
class CollectedDay:
    """What was landed for a business date, account by account, in the order of their ids."""

    business_date: date
    accounts: tuple[AccountCollected, ...]

    @property
    def failures(self) -> tuple[AccountFailure, ...]:
        """Accounts that could not be collected whole."""
        return tuple(account.failure for account in self.accounts if account.failure is not None)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Accounts that another process is collecting, or has collected meanwhile."""
        return tuple(account.account_id for account in self.accounts if account.elsewhere)


def collect_day(request: CollectRequest, ctx: RunContext) -> CollectedDay:
    """Lands every window of the day for every account; one account's failure leaves the others alone.

    A day is asked for by save time, from its first instant to ``collect_overlap_hours`` after its last, but never
    beyond the present. The ``collect_reread_days`` days before it are read again: windows whose rows have changed are
    landed once more.

    Raises:
        ConfigurationError: no upstream is configured.
        ClockDisagrees: this machine's clock is not the warehouse's; nothing was asked or recorded.
        AccountNotFound: an account asked for is unknown.
    """
    if ctx.settings.api_url is None:
        raise ConfigurationError(
            "CDR_API_URL is not set: there is no switch to collect from",
            hint="set it and CDR_API_KEY, CDR_API_USER or CDR_API_TOKEN; see 'cdr-pipeline config check'",
        )
    day = request.business_date
    free = SimpleQueue[Ledger]()

    def collect(account: Account) -> AccountCollected:
        ledger = free.get()
        try:
            before = begun.get(account.account_id, _NEVER_TAKEN)
            return _collect_account(account, request, client, ledger, ctx, begun=before)
        finally:
            free.put(ledger)

    with ExitStack() as connections:
        first = connections.enter_context(ctx.ledger())
        require_clock(first, ctx)
        accounts = first.accounts.active(request.accounts)
        begun = first.windows.collections([account.account_id for account in accounts], day)
        client = connections.enter_context(KazooClient.from_settings(ctx.settings, wall_clock=ctx.clock))
        free.put(first)
        # A connection for each that collects, not for each account: the server makes a process of every one.
        at_once = max(1, min(ctx.settings.collect_concurrency, len(accounts)))
        for _ in range(at_once - 1):
            free.put(connections.enter_context(ctx.ledger()))
        with ThreadPoolExecutor(at_once, thread_name_prefix="collect") as pool:
            return CollectedDay(day, tuple(pool.map(collect, accounts)))


def require_any_begun(request: CollectRequest, ctx: RunContext) -> None:
    """Lets only a day be asked for that has begun for an account at least.

    Raises:
        AccountNotFound: an account asked for is unknown.
        DayNotBegun: it has begun for none of them.
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
    client: KazooClient,
    ledger: Ledger,
    ctx: RunContext,
    *,
    begun: Collection,
) -> AccountCollected:
    """The day, then the earlier days that are read again; a failure of the day leaves those for another time."""
    day = request.business_date
    try:
        require_begun(account, day, ctx)
    except DayNotBegun as error:
        return AccountCollected(account.account_id, failure=AccountFailure.of(account.account_id, error))
    if _done_meanwhile(ledger.windows.collections([account.account_id], day).get(account.account_id), begun):
        ctx.progress(f"{account.account_id} has been collected by another process meanwhile")
        return AccountCollected(account.account_id, elsewhere=True)
    collected = collect_account_day(account, day, client, ledger, ctx)
    if collected.failure is None and collected.dialect is not None:
        account = replace(account, dialect=collected.dialect.value, dialect_seen_at=ctx.clock())
        for earlier in days_to_read_again(account, day, ledger, ctx, besides=request.besides):
            collected = collected.plus(collect_account_day(account, earlier, client, ledger, ctx, again=True))
            if collected.failure is not None:
                break
    ctx.progress(f"collected {account.account_id}")
    return collected


def _done_meanwhile(now: Collection | None, begun: Collection) -> bool:
    """Whether another process had the day when this one was asked, or took it since, and has finished it well.

    A night that schedule, page and command line start at the same time is so collected once.
    """
    if now is None or not now.released_claim or now.failed:
        return False
    return now.fence > begun.fence or not begun.released_claim
