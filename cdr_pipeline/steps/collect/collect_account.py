"""Collects one account's day: which windows to ask for, and landing their pages."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.coverage import covered_through, not_covered
from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.errors import (
    CallTooLong,
    CdrError,
    ClaimLost,
    ClockDisagrees,
    DayNotBegun,
    DialectChanged,
    UpstreamAccountNotFound,
    WindowOutdated,
    WindowTooHeavy,
)
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.pages import Page, longest_over, record_ids
from cdr_pipeline.sources.kazoo.windows import Window, crosses_month, edge_spans, plan_windows
from cdr_pipeline.sources.landing import LandingWriter, window_path
from cdr_pipeline.steps.collect.switch_dialects import confirm_dialect, edge_reach, find_dialect, known_dialect
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Claim, LandedWindow, Ledger, RecordedWindow

# Longer than one request may be tried for; a process that is killed is not waited for, one that hangs is.
_LEASE_SECONDS: Final = 900.0
_SECOND: Final = timedelta(seconds=1)
# Days with outdated windows that one night reads again: those of two years of months' edges and more.
_MOST_OUTDATED: Final = 60
# Failures after which the switch is asked once more what it speaks.
_OF_ANOTHER_DIALECT: Final = frozenset({DialectChanged.code, UpstreamAccountNotFound.code})


@dataclass(frozen=True, slots=True)
class AccountCollected:
    """One account's part.

    Attributes:
        account_id: account that owns the records.
        windows, pages, rows, bytes: what was landed.
        unchanged: windows that were read again and had the rows that they had.
        dialect: what the switch speaks for the account; None when it was not asked.
        elsewhere: another process collects this day of this account, or has done so since this one was asked;
            nothing was done here.
        failure: what went wrong, if anything.
    """

    account_id: str
    windows: int = 0
    pages: int = 0
    rows: int = 0
    bytes: int = 0
    unchanged: int = 0
    dialect: SwitchDialect | None = None
    elsewhere: bool = False
    failure: AccountFailure | None = None

    def plus(self, other: "AccountCollected") -> "AccountCollected":
        """Both parts together; the first failure stays."""
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
    """Lets only a day be collected that has begun in the account's zone.

    Raises:
        DayNotBegun: it has not.
    """
    first, _ = account.zones.bounds(business_date)
    if _now(ctx) <= first:
        raise DayNotBegun(
            f"account {account.account_id}: {business_date} has not begun in {account.zones.on(business_date)}",
            hint="choose a date that has started in the account's time zone; nothing was recorded",
        )


def days_to_read_again(
    account: Account, business_date: date, ledger: Ledger, ctx: RunContext, *, besides: Sequence[date]
) -> list[date]:
    """Earlier days that are read again with a day: the last few, and those whose windows are outdated.

    A record may become visible long after its save time, and a switch may hide a failure of its database behind an
    empty page: only reading again finds these. Days of a backfill of old dates are not read again.

    Args:
        account: account that owns the records.
        business_date: day that is collected.
        ledger: of the warehouse.
        ctx: settings, warehouse, clock and progress callback.
        besides: other days of the same run, which it collects anyway.
    """
    number = ctx.settings.collect_reread_days
    oldest = ctx.clock() - timedelta(days=number + 1)
    trailing = [business_date - timedelta(days=days) for days in range(1, number + 1)]
    recent = [day for day in trailing if account.zones.bounds(day)[1] > oldest]
    outdated = ledger.windows.outdated_days(account.account_id, WindowOutdated.code)[:_MOST_OUTDATED]
    return [day for day in dict.fromkeys([*recent, *outdated]) if day != business_date and day not in besides]


def collect_account_day(
    account: Account, business_date: date, client: KazooClient, ledger: Ledger, ctx: RunContext, *, again: bool = False
) -> AccountCollected:
    """Lands a day of an account, or leaves it to the process that is at it.

    A request that is refused because of a clock leaves no trace in the ledger.

    Args:
        account: account that owns the records.
        business_date: day in the account's zone, begun.
        client: of the switch.
        ledger: over a connection of its own.
        ctx: settings, warehouse, clock and progress callback.
        again: the day was collected before; windows whose rows have not changed are not landed.
    """
    account_id = account.account_id
    if again and not ledger.windows.recorded_windows(account_id, business_date):
        return AccountCollected(account_id)
    claim = ledger.windows.claim(account_id, business_date, lease_seconds=_LEASE_SECONDS)
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
    except Exception as error:  # noqa: BLE001 - one account's fault must not keep the others out
        fault = AccountFailure.of_fault(account_id, f"collecting {business_date}", error)
        _note_no_window(account, claim, fault, ledger, ctx)
        return AccountCollected(account_id, failure=fault)
    finally:
        ledger.windows.release(claim)


def _collect(
    account: Account, claim: Claim, client: KazooClient, ledger: Ledger, ctx: RunContext, *, again: bool
) -> AccountCollected:
    """Lands the day in the known dialect, and in the one that is found when the switch has become another."""
    known = known_dialect(account, ctx)
    dialect = known or find_dialect(account, client, ledger, ctx)
    collector = _AccountCollector(account, claim, dialect, client, ledger, ctx)
    collected = collector.collect_day(again=again)
    failure = collected.failure
    if failure is None:
        confirm_dialect(account, dialect, ledger, ctx)
    elif known is not None and failure.code in _OF_ANOTHER_DIALECT and ctx.settings.api_dialect == "auto":
        found = find_dialect(account, client, ledger, ctx)
        if found is not dialect:
            ctx.progress(f"{account.account_id}: the switch speaks {found}, no longer {dialect}")
            return replace(replace(collector, dialect=found).collect_day(again=again), dialect=found)
    return replace(collected, dialect=dialect)


def _note_no_window(
    account: Account, claim: Claim, error: CdrError | AccountFailure, ledger: Ledger, ctx: RunContext
) -> None:
    """The switch could not even be asked for a window: recorded at the day's first second, which any day covers."""
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
class _AccountCollector:
    """Lands the windows of one account and day over one connection to the ledger."""

    account: Account
    claim: Claim
    dialect: SwitchDialect
    client: KazooClient
    ledger: Ledger
    ctx: RunContext
    renewed_at: list[float] = field(default_factory=lambda: [time.monotonic()])

    def collect_day(self, *, again: bool) -> AccountCollected:
        """Lands the day's windows; with ``again`` those that are recorded, where they cover the day."""
        if not again:
            return self._collect_planned({})
        recorded = self.ledger.windows.recorded_windows(self.account.account_id, self.claim.business_date)
        known = {
            (window.starts_at, window.ends_at): window.content_sha256
            for window in recorded
            if window.state != "failed" and window.content_sha256
        }
        windows = self._recorded(recorded)
        return self._collect(windows, known) if windows else self._collect_planned(known)

    def _collect_planned(self, known: Mapping[tuple[datetime, datetime], str]) -> AccountCollected:
        """Lands the day as it is planned now; then failures of windows that were planned otherwise are of the past."""
        done = self._collect(self._planned(), known)
        if done.failure is None:
            self.ledger.windows.forget_failures(self.claim)
        return done

    def _planned(self) -> tuple[Window, ...]:
        first, end = self.account.zones.bounds(self.claim.business_date)
        last = min(end + timedelta(hours=self.ctx.settings.collect_overlap_hours), _now(self.ctx))
        return plan_windows(first, last, self.dialect, edge_reach(self.ctx))

    def _recorded(self, recorded: Sequence[RecordedWindow]) -> tuple[Window, ...]:
        """The recorded windows, without those that others contain; none when they do not cover the day."""
        first, end = self.account.zones.bounds(self.claim.business_date)
        spans = [(window.starts_at, window.ends_at) for window in recorded]
        needed = edge_spans(first, end, self.dialect, edge_reach(self.ctx))
        failed = any(window.state == "failed" for window in recorded)
        if failed or covered_through(first, spans) < end or not_covered(needed, spans):
            return ()
        outer = [
            span
            for span in spans
            if not any(
                other != span
                and other[0] <= span[0]
                and span[1] <= other[1]
                and crosses_month(*other) == crosses_month(*span)
                for other in spans
            )
        ]
        return tuple(Window(*span, whole=crosses_month(*span)) for span in outer)

    def _collect(self, windows: Sequence[Window], known: Mapping[tuple[datetime, datetime], str]) -> AccountCollected:
        """Lands them in order; the first that fails ends the account's part, what was landed stays."""
        done = AccountCollected(self.account.account_id)
        for window in windows:
            try:
                for landed in self._land(window, known):
                    done = done.plus(landed)
            except (ClaimLost, ClockDisagrees):
                raise
            except CallTooLong as error:
                # The window itself has landed: what may be missing was saved after its end.
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

    def _land(self, window: Window, known: Mapping[tuple[datetime, datetime], str]) -> Iterator[AccountCollected]:
        """A window that is too heavy for the switch is made shorter until it answers or is one second long.

        Raises:
            WindowTooHeavy: not even a second was answered, or what was landed covers less than the window.
        """
        try:
            yield self._land_whole(window, known)
        except WindowTooHeavy as error:
            lighter = window.lighter()
            if not lighter:
                raise
            for part in lighter:
                yield from self._land(part, known)
            if window.whole:
                raise type(error)(
                    f"{error.message}: of the calls over the month's edge, those saved after "
                    f"{lighter[0].ends_at:%Y-%m-%d %H:%M:%S} UTC may be missing",
                    hint="raise the gateway's timeout, or lower CDR_COLLECT_LONGEST_CALL_HOURS",
                ) from None

    def _land_whole(self, window: Window, known: Mapping[tuple[datetime, datetime], str]) -> AccountCollected:
        account_id, landing_dir = self.account.account_id, self.ctx.settings.landing_dir
        landed_at = self.ctx.clock()
        path = window_path(landing_dir, account_id, window, landed_at)
        pages = longest = 0
        known_rows = known.get((window.starts_at, window.ends_at))
        with LandingWriter(
            path, account_id=account_id, window=window, dialect=self.dialect, known_rows=known_rows
        ) as writer:
            for body, page in self.client.pages(account_id, window, self.dialect):
                self._keep_claim()
                self._require_dialect(page)
                writer.add_page(body, page)
                pages += 1
                if window.whole and self.dialect.hides_month_edges:
                    longest = max(longest, longest_over(page.listed, to_gregorian(window.edge)))
                if self.ctx.settings.api_details:
                    self._land_details(page.ndjson, writer)
        if writer.unchanged:
            self.ledger.windows.confirm_window(
                claim=self.claim, starts_at=window.starts_at, ends_at=window.ends_at, now=landed_at
            )
            landed = AccountCollected(account_id, unchanged=1)
        else:
            self.ledger.windows.record_landed(
                claim=self.claim,
                window=LandedWindow(
                    window.starts_at,
                    window.ends_at,
                    self.dialect.value,
                    str(path.relative_to(landing_dir)),
                    landed_at,
                ),
                rows=writer.rows,
                content_sha256=writer.rows_sha256,
            )
            landed = AccountCollected(account_id, 1, pages, writer.rows, writer.bytes)
        self._require_covered(longest)
        return landed

    def _require_dialect(self, page: Page) -> None:
        if self.dialect.contradicted_by(page.envelope, page.next_start_key):
            raise DialectChanged(
                f"account {self.account.account_id}: the switch does not speak {self.dialect}; with "
                "CDR_API_DIALECT=auto the dialect is found out",
                hint="set CDR_API_DIALECT=auto, then collect the day again",
            )

    def _require_covered(self, longest: int) -> None:
        """Raises CallTooLong when a call over the month's edge is longer than those that the window covers."""
        hours = self.ctx.settings.collect_longest_call_hours
        if longest > hours * 3600:
            raise CallTooLong(
                f"account {self.account.account_id}: a call over the month's edge took more than {hours} hours; others "
                f"that long may be missing until CDR_COLLECT_LONGEST_CALL_HOURS is {-(-longest // 3600)} or more",
                hint="raise CDR_COLLECT_LONGEST_CALL_HOURS, then collect the day again",
            )

    def _land_details(self, ndjson: bytes, writer: LandingWriter) -> None:
        """Documents of a page's records that the warehouse does not hold yet, right after the page."""
        ids = record_ids(ndjson)
        known = self.ledger.windows.known_details(self.account.account_id, ids)
        for record_id in ids:
            if record_id not in known:
                self._keep_claim()
                writer.add_detail(self.client.detail(self.account.account_id, record_id, self.dialect))

    def _keep_claim(self) -> None:
        """Renews the lease well before it runs out, and stops a process that hung longer than that."""
        now = time.monotonic()
        if now - self.renewed_at[0] > _LEASE_SECONDS / 6:
            self.ledger.windows.renew(self.claim)
            self.renewed_at[0] = now
