"""Collects one business date from the switch: every account's windows, page by page, into landing files.

Nothing is interpreted here beyond what is needed to ask for the next page. What is landed can be loaded, and loaded
again, without asking the switch.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from queue import SimpleQueue

from cdr_pipeline.errors import CdrError, ClaimLost, ConfigurationError, WindowTooHeavy
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import Dialect
from cdr_pipeline.sources.kazoo.pages import record_ids
from cdr_pipeline.sources.kazoo.windows import Window, plan_windows
from cdr_pipeline.sources.landing import LandingWriter, window_path
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.ledger import Account, Claim, Collection, LandedWindow, Ledger

# Longer than one request may be tried for; a process that is killed is not waited for, one that stands still is.
_LEASE_SECONDS = 900.0
_NEVER_TAKEN = Collection(fence=0, given_back=True, failed=False)


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """What to collect.

    Attributes:
        business_date: account-local day, each account in its own zone.
        accounts: whose; all active ones when omitted.
    """

    business_date: date
    accounts: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class AccountCollected:
    """One account's part.

    Attributes:
        account_id: whose.
        windows, pages, rows, bytes: what was landed.
        elsewhere: another process collects this day of this account, or has done so since this one was asked;
            nothing was done here.
        failure: what went wrong, if anything.
    """

    account_id: str
    windows: int = 0
    pages: int = 0
    rows: int = 0
    bytes: int = 0
    elsewhere: bool = False
    failure: AccountFailure | None = None


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


def collect_day(request: CollectRequest, at: Workplace) -> CollectedDay:
    """Lands every window of the day for every account; one account's failure leaves the others alone.

    A day is asked for by save time, from its first instant to ``collect_overlap_hours`` after its last, but never
    beyond the present.

    Raises:
        ConfigurationError: no upstream is configured.
        AccountNotFound: an account asked for is unknown.
    """
    if at.settings.api_url is None:
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
            return _collect_account(account, day, client, ledger, at, begun=before)
        finally:
            free.put(ledger)

    with ExitStack() as connections:
        first = connections.enter_context(at.ledger())
        accounts = first.accounts(request.accounts)
        begun = first.collections([account.account_id for account in accounts], day)
        client = connections.enter_context(KazooClient.from_settings(at.settings))
        free.put(first)
        # A connection for each that collects, not for each account: the server makes a process of every one.
        at_once = max(1, min(at.settings.collect_concurrency, len(accounts)))
        for _ in range(at_once - 1):
            free.put(connections.enter_context(at.ledger()))
        with ThreadPoolExecutor(at_once, thread_name_prefix="collect") as pool:
            return CollectedDay(day, tuple(pool.map(collect, accounts)))


def _collect_account(
    account: Account, business_date: date, client: KazooClient, ledger: Ledger, at: Workplace, *, begun: Collection
) -> AccountCollected:
    if _done_meanwhile(ledger.collections([account.account_id], business_date).get(account.account_id), begun):
        at.progress(f"{account.account_id} has been collected by another process meanwhile")
        return AccountCollected(account.account_id, elsewhere=True)
    claim = ledger.claim(account.account_id, business_date, lease_seconds=_LEASE_SECONDS)
    if claim is None:
        at.progress(f"{account.account_id} is being collected by another process")
        return AccountCollected(account.account_id, elsewhere=True)
    try:
        dialect = _dialect(account, client, ledger, at)
        windows = _windows(account, business_date, dialect, at)
        collected = _AccountCollector(account, claim, dialect, client, ledger, at).collect(windows)
    except ClaimLost as error:
        collected = AccountCollected(account.account_id, failure=AccountFailure.of(account.account_id, error))
    except CdrError as error:
        _note_no_window(account, claim, error, ledger, at)
        collected = AccountCollected(account.account_id, failure=AccountFailure.of(account.account_id, error))
    except Exception as error:  # noqa: BLE001 - one account's fault must not keep the others out
        fault = AccountFailure.of_fault(account.account_id, f"collecting {business_date}", error)
        _note_no_window(account, claim, fault, ledger, at)
        collected = AccountCollected(account.account_id, failure=fault)
    finally:
        ledger.release(claim)
    at.progress(f"collected {account.account_id}")
    return collected


def _done_meanwhile(now: Collection | None, begun: Collection) -> bool:
    """Whether another process had the day when this one was asked, or took it since, and has finished it well.

    A night that schedule, page and command line start at the same time is so collected once.
    """
    if now is None or not now.given_back or now.failed:
        return False
    return now.fence > begun.fence or not begun.given_back


def _dialect(account: Account, client: KazooClient, ledger: Ledger, at: Workplace) -> Dialect:
    if at.settings.api_dialect != "auto":
        return Dialect(at.settings.api_dialect)
    if account.dialect is not None:
        return Dialect(account.dialect)
    dialect = client.detect_dialect(account.account_id)
    ledger.record_dialect(account.account_id, dialect.value)
    return dialect


def _note_no_window(
    account: Account, claim: Claim, error: CdrError | AccountFailure, ledger: Ledger, at: Workplace
) -> None:
    """The switch could not even be asked for a window: that stands at the day's first second, which any day covers."""
    first, _ = account.zones.bounds(claim.business_date)
    ledger.record_failed_window(
        claim=claim,
        starts_at=first,
        ends_at=first + timedelta(seconds=1),
        error_code=error.code,
        error_message=error.message,
        now=at.clock(),
    )


def _windows(account: Account, business_date: date, dialect: Dialect, at: Workplace) -> tuple[Window, ...]:
    first, end = account.zones.bounds(business_date)
    last = min(end + timedelta(hours=at.settings.collect_overlap_hours), at.clock().replace(microsecond=0))
    if last <= first:
        raise ConfigurationError(
            f"{business_date} has not begun in {account.zones.on(business_date)}", hint="ask for a day that has begun"
        )
    return plan_windows(first, last, dialect)


@dataclass(frozen=True, slots=True)
class _AccountCollector:
    """Lands the windows of one account and day over one connection to the ledger."""

    account: Account
    claim: Claim
    dialect: Dialect
    client: KazooClient
    ledger: Ledger
    at: Workplace
    renewed_at: list[float] = field(default_factory=lambda: [time.monotonic()])

    def collect(self, windows: Sequence[Window]) -> AccountCollected:
        """Lands them in order; the first that fails ends the account's part, what was landed stays."""
        done = AccountCollected(self.account.account_id)
        for window in windows:
            try:
                for landed in self._land(window):
                    done = replace(
                        done,
                        windows=done.windows + 1,
                        pages=done.pages + landed.pages,
                        rows=done.rows + landed.rows,
                        bytes=done.bytes + landed.bytes,
                    )
            except ClaimLost:
                raise
            except CdrError as error:
                self._note_failure(window, error)
                return replace(done, failure=AccountFailure.of(self.account.account_id, error))
        return done

    def _note_failure(self, window: Window, error: CdrError) -> None:
        self.ledger.record_failed_window(
            claim=self.claim,
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            error_code=error.code,
            error_message=error.message,
            now=self.at.clock(),
        )

    def _land(self, window: Window) -> Iterator[AccountCollected]:
        """A window that is too heavy for the switch is halved until it answers or is one second long."""
        try:
            yield self._land_whole(window)
        except WindowTooHeavy:
            lighter = window.lighter()
            if not lighter:
                raise
        else:
            return
        for part in lighter:
            yield from self._land(part)

    def _land_whole(self, window: Window) -> AccountCollected:
        account_id, landing_dir = self.account.account_id, self.at.settings.landing_dir
        landed_at = self.at.clock()
        path = window_path(landing_dir, account_id, window, landed_at)
        pages = 0
        with LandingWriter(path, account_id=account_id, window=window, dialect=self.dialect) as writer:
            for body, page in self.client.pages(account_id, window, self.dialect):
                self._keep_claim()
                writer.add_page(body, page)
                pages += 1
                if self.at.settings.api_details:
                    self._land_details(page.ndjson, writer)
        place = str(path.relative_to(landing_dir))
        self.ledger.record_landed_window(
            claim=self.claim,
            window=LandedWindow(window.starts_at, window.ends_at, self.dialect.value, place, landed_at),
            rows=writer.rows,
        )
        return AccountCollected(account_id, 1, pages, writer.rows, writer.bytes)

    def _land_details(self, ndjson: bytes, writer: LandingWriter) -> None:
        """Documents of a page's records that the warehouse does not hold yet, right after the page."""
        ids = record_ids(ndjson)
        known = self.ledger.known_details(self.account.account_id, ids)
        for record_id in ids:
            if record_id not in known:
                self._keep_claim()
                writer.add_detail(self.client.detail(self.account.account_id, record_id, self.dialect))

    def _keep_claim(self) -> None:
        """Renews the lease well before it runs out, and stops a process that stood still longer than that."""
        now = time.monotonic()
        if now - self.renewed_at[0] > _LEASE_SECONDS / 6:
            self.ledger.renew(self.claim)
            self.renewed_at[0] = now
