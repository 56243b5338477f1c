"""Collects the day of one account: plans its windows, requests their pages and writes them to landing."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.coverage import covered_through, not_covered
from cdr_pipeline.errors import (
    CallTooLong,
    CdrError,
    ClaimLost,
    ClockDisagrees,
    DayNotBegun,
    DialectChanged,
    UpstreamAccountNotFound,
    WindowTooHeavy,
)
from cdr_pipeline.sources.landing import LandingWriter, window_path
from cdr_pipeline.sources.upstream import ListPage, Span, UpstreamClient, Window
from cdr_pipeline.sources.upstream_registry import upstream_of
from cdr_pipeline.steps.collect.switch_dialects import confirm_dialect, find_dialect, known_dialect
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Claim, LandedWindow, Ledger, RecordedWindow

# Longer than the retries of one request. After a killed process another one takes over at once; after a process that
# hangs it waits until the lease ends.
LEASE_SECONDS: Final = 900.0
_SECOND: Final = timedelta(seconds=1)
# Maximum number of days with outdated windows that one night reads again: enough for the month ends of two years.
_MOST_OUTDATED: Final = 60
# Failures after which the dialect of the switch is detected again.
_OF_ANOTHER_DIALECT: Final = frozenset({DialectChanged.code, UpstreamAccountNotFound.code})


@dataclass(frozen=True, slots=True)
class AccountCollected:
    """Result for one account.

    Attributes:
        account_id: account that owns the records.
        windows, pages, rows, bytes: numbers of landed windows, pages, rows and bytes.
        unchanged: number of windows that were read again and had the same rows.
        dialect: dialect of the switch for the account; None when no request was sent.
        elsewhere: whether another process collects this day of the account, or has collected it since this run started;
            this run did nothing.
        failure: cause of a failure; None on success.
    """

    account_id: str
    windows: int = 0
    pages: int = 0
    rows: int = 0
    bytes: int = 0
    unchanged: int = 0
    dialect: str | None = None
    elsewhere: bool = False
    failure: AccountFailure | None = None

    def plus(self, other: "AccountCollected") -> "AccountCollected":
        """Sum of both results, with the first failure."""
        return replace(
            self,
            windows=self.windows + other.windows,
            pages=self.pages + other.pages,
            rows=self.rows + other.rows,
            bytes=self.bytes + other.bytes,
            unchanged=self.unchanged + other.unchanged,
            failure=self.failure or other.failure,
        )


def require_begun(account: Account, business_date: date, ctx: RunContext) -> None:
    """Checks that the day has started in the account's time zone.

    Raises:
        DayNotBegun: the day has not started.
    """
    first, _ = account.zones.bounds(business_date)
    if _now(ctx) <= first:
        raise DayNotBegun(
            f"account {account.account_id}: {business_date} has not begun in {account.zones.on(business_date)}",
            hint="choose a date that has started in the account's time zone; nothing was recorded",
        )


def days_to_read_again(
    account: Account, business_date: date, outdated: Sequence[date], ctx: RunContext, *, besides: Sequence[date]
) -> list[date]:
    """Earlier days to read again together with a day: the most recent days, and days with outdated windows.

    A record may become visible long after its save time, and a switch may return an empty page when its database fails.
    Only reading again finds such records. A backfill of old dates does not read earlier days again.

    Args:
        account: account that owns the records.
        business_date: day that is collected.
        outdated: days with outdated windows, newest first.
        ctx: settings, warehouse, clock and progress callback.
        besides: other days that the same run collects.
    """
    number = ctx.settings.collect_reread_days
    oldest = ctx.clock() - timedelta(days=number + 1)
    trailing = [business_date - timedelta(days=days) for days in range(1, number + 1)]
    recent = [day for day in trailing if account.zones.bounds(day)[1] > oldest]
    again = dict.fromkeys([*recent, *outdated[:_MOST_OUTDATED]])
    return [day for day in again if day != business_date and day not in besides]


def collect_account_day(
    account: Account,
    business_date: date,
    client: UpstreamClient,
    ledger: Ledger,
    ctx: RunContext,
    *,
    again: bool = False,
    claim: Claim | None = None,
) -> AccountCollected:
    """Lands a day of an account, or skips it when another process is collecting it.

    A request that fails because clocks disagree is not recorded in the ledger.

    Args:
        account: account that owns the records.
        business_date: day in the account's time zone that has started.
        client: client of the switch.
        ledger: ledger over a connection that no other thread uses.
        ctx: settings, warehouse, clock and progress callback.
        again: whether an earlier day is read again; it is skipped if it was never collected.
        claim: claim of this process on the day, if it has one already.
    """
    account_id = account.account_id
    if again and not ledger.windows.recorded_windows(account_id, business_date):
        return AccountCollected(account_id)
    claim = claim or ledger.windows.claim(account_id, business_date, lease_seconds=LEASE_SECONDS)
    if claim is None:
        ctx.progress(f"{account_id} is being collected by another process")
        return AccountCollected(account_id, elsewhere=True)
    try:
        return _collect(account, claim, client, ledger, ctx, again=again)
    except (ClaimLost, ClockDisagrees) as error:
        return AccountCollected(account_id, failure=AccountFailure.of(account_id, error))
    except CdrError as error:
        _note_no_window(account, claim, error, ledger, ctx)
        return AccountCollected(account_id, failure=AccountFailure.of(account_id, error))
    except Exception as error:  # noqa: BLE001 - one account's failure must not stop the others
        fault = AccountFailure.of_fault(account_id, f"collecting {business_date}", error)
        _note_no_window(account, claim, fault, ledger, ctx)
        return AccountCollected(account_id, failure=fault)
    finally:
        ledger.windows.release(claim)


def _collect(
    account: Account, claim: Claim, client: UpstreamClient, ledger: Ledger, ctx: RunContext, *, again: bool
) -> AccountCollected:
    """Lands the day in the stored dialect. If the dialect has changed, detects it and lands the day again."""
    stored = known_dialect(account, ctx)
    dialect = stored or find_dialect(account, client, ledger, ctx)
    collector = _AccountCollector(account, claim, dialect, client, ledger, ctx)
    collected = collector.collect_day(again=again)
    failure = collected.failure
    if failure is None:
        confirm_dialect(account, dialect, ledger, ctx)
    elif stored is not None and failure.code in _OF_ANOTHER_DIALECT and ctx.settings.api_dialect == "auto":
        detected = find_dialect(account, client, ledger, ctx)
        if detected != dialect:
            ctx.progress(f"{account.account_id}: the dialect of the switch has changed from {dialect} to {detected}")
            return replace(replace(collector, dialect=detected).collect_day(again=again), dialect=detected)
    return replace(collected, dialect=dialect)


def _note_no_window(
    account: Account, claim: Claim, error: CdrError | AccountFailure, ledger: Ledger, ctx: RunContext
) -> None:
    """Records a failure before the first window. It is stored as a window of the day's first second."""
    first, _ = account.zones.bounds(claim.business_date)
    ledger.windows.record_failed(
        claim=claim,
        starts_at=first,
        ends_at=first + _SECOND,
        error_code=error.code,
        error_message=error.message,
        now=ctx.clock(),
    )


def _now(ctx: RunContext) -> datetime:
    return ctx.clock().replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class _KnownRows:
    """Windows of a day as they landed before.

    Attributes:
        sha256: hash of the rows by start and end; other windows are landed in any case.
        load: whether windows that have not changed are loaded again.
        failures: whether the day has failed windows.
    """

    sha256: Mapping[Span, str]
    load: bool
    failures: bool


@dataclass(frozen=True, slots=True)
class _AccountCollector:
    """Lands the windows of one account and day over one connection to the ledger."""

    account: Account
    claim: Claim
    dialect: str
    client: UpstreamClient
    ledger: Ledger
    ctx: RunContext
    renewed_at: list[float] = field(default_factory=lambda: [time.monotonic()])

    def collect_day(self, *, again: bool) -> AccountCollected:
        """Lands the day's windows; with ``again``, the recorded windows if they cover the day.

        Pages whose rows have not changed are not landed again. They are loaded again unless the day is an earlier one,
        because the rules of the load may have changed.
        """
        recorded = self.ledger.windows.recorded_windows(self.account.account_id, self.claim.business_date)
        if again and (windows := self._recorded(recorded)):
            known = {
                (window.starts_at, window.ends_at): window.content_sha256
                for window in recorded
                if window.content_sha256
            }
            return self._collect(windows, _KnownRows(known, load=False, failures=False))
        failures = any(window.state == "failed" for window in recorded)
        known = {
            (window.starts_at, window.ends_at): window.content_sha256
            for window in recorded
            if window.content_sha256 and self._was_loaded(window)
        }
        done = self._collect(self._planned(), _KnownRows(known, load=True, failures=failures))
        if failures and done.failure is None:
            # Failures of windows of earlier plans.
            self.ledger.windows.forget_failures(self.claim)
        return done

    def _was_loaded(self, window: RecordedWindow) -> bool:
        """Whether a window is loaded from pages in the dialect of the switch that are still on disk."""
        return (
            window.state == "loaded"
            and window.dialect == self.dialect
            and window.landing_path is not None
            and (self.ctx.settings.landing_dir / window.landing_path).exists()
        )

    def _planned(self) -> tuple[Window, ...]:
        first, end = self.account.zones.bounds(self.claim.business_date)
        last = min(end + timedelta(hours=self.ctx.settings.collect_overlap_hours), _now(self.ctx))
        return upstream_of(self.ctx.settings).plan_windows(first, last, self.dialect)

    def _recorded(self, recorded: Sequence[RecordedWindow]) -> tuple[Window, ...]:
        """Windows to request in place of the recorded ones; empty when these do not cover the day."""
        upstream = upstream_of(self.ctx.settings)
        first, end = self.account.zones.bounds(self.claim.business_date)
        spans = [(window.starts_at, window.ends_at) for window in recorded]
        needed = upstream.needed_spans(first, end, self.dialect)
        failed = any(window.state == "failed" for window in recorded)
        if failed or covered_through(first, spans) < end or not_covered(needed, spans):
            return ()
        return upstream.windows_again(spans)

    def _collect(self, windows: Sequence[Window], known: _KnownRows) -> AccountCollected:
        """Lands windows in order and stops at the first failure. Windows landed before it stay."""
        done = AccountCollected(self.account.account_id)
        for window in windows:
            try:
                for landed in self._land(window, known):
                    done = done.plus(landed)
            except (ClaimLost, ClockDisagrees):
                raise
            except CallTooLong as error:
                # The window itself has landed. Calls that were saved after its end may be missing.
                self._note_failure(Window(window.ends_at, window.ends_at + _SECOND), error)
                return replace(done, failure=AccountFailure.of(self.account.account_id, error))
            except CdrError as error:
                self._note_failure(window, error)
                return replace(done, failure=AccountFailure.of(self.account.account_id, error))
        return done

    def _note_failure(self, window: Window, error: CdrError) -> None:
        self.ledger.windows.record_failed(
            claim=self.claim,
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            error_code=error.code,
            error_message=error.message,
            now=self.ctx.clock(),
        )

    def _land(self, window: Window, known: _KnownRows) -> Iterator[AccountCollected]:
        """Lands a window. If it is too heavy for the switch, lands lighter ones in its place.

        Raises:
            WindowTooHeavy: even the lightest window timed out, or the landed windows cover less than the window.
        """
        try:
            yield self._land_whole(window, known)
        except WindowTooHeavy as error:
            lighter = upstream_of(self.ctx.settings).lighter_windows(window)
            if not lighter.parts:
                raise
            for part in lighter.parts:
                yield from self._land(part, known)
            if lighter.missing:
                raise type(error)(f"{error.message}: {lighter.missing}", hint=lighter.hint) from None

    def _land_whole(self, window: Window, known: _KnownRows) -> AccountCollected:
        account_id, landing_dir = self.account.account_id, self.ctx.settings.landing_dir
        landed_at = self.ctx.clock()
        path = window_path(landing_dir, account_id, window, landed_at)
        pages, gap = 0, None
        known_rows = known.sha256.get((window.starts_at, window.ends_at))
        with LandingWriter(
            path,
            account_id=account_id,
            window=window,
            upstream=self.ctx.settings.upstream,
            dialect=self.dialect,
            known_rows=known_rows,
        ) as writer:
            for reply in self.client.pages(account_id, window, self.dialect):
                self._keep_claim()
                writer.add_page(reply.body, reply.page)
                pages += 1
                gap = gap or reply.gap
                if self.ctx.settings.api_details:
                    self._land_details(reply.page, writer)
        if writer.unchanged:
            self.ledger.windows.confirm_window(
                claim=self.claim, starts_at=window.starts_at, ends_at=window.ends_at, now=landed_at, load=known.load
            )
            landed = AccountCollected(account_id, unchanged=1)
        else:
            self.ledger.windows.record_landed(
                claim=self.claim,
                window=LandedWindow(
                    window.starts_at,
                    window.ends_at,
                    self.dialect,
                    str(path.relative_to(landing_dir)),
                    landed_at,
                ),
                rows=writer.rows,
                content_sha256=writer.rows_sha256,
                failures=known.failures,
            )
            landed = AccountCollected(account_id, 1, pages, writer.rows, writer.bytes)
        if gap is not None:
            raise gap
        return landed

    def _land_details(self, page: ListPage, writer: LandingWriter) -> None:
        """Lands the detail documents of a page that the warehouse does not have yet, after the page."""
        ids = page.record_ids
        stored = self.ledger.windows.known_details(self.account.account_id, ids)
        for record_id in ids:
            if record_id not in stored:
                self._keep_claim()
                writer.add_detail(self.client.detail(self.account.account_id, record_id, self.dialect))

    def _keep_claim(self) -> None:
        """Renews the lease before it ends. Raises ClaimLost when the process has hung past its lease."""
        now = time.monotonic()
        if now - self.renewed_at[0] > LEASE_SECONDS / 6:
            self.ledger.windows.renew(self.claim)
            self.renewed_at[0] = now
