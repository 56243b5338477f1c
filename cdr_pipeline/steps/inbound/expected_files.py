"""Files that places are expected to have: which of them are late, and which days still wait for theirs."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cdr_pipeline.core.uploads.inbound_files import Expected
from cdr_pipeline.errors import CdrError
from cdr_pipeline.sources.inbound.places import COLUMN, FileRule, Place, load_places
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger

# A late file is reported for five weeks, until the month has been invoiced.
REPORTED = timedelta(days=35)
_NOT_RECEIVED = frozenset({"refused", "discarded"})


@dataclass(frozen=True, slots=True)
class LateFile:
    """A file that is due and has not arrived.

    Attributes:
        place, pattern: place and pattern of the file.
        account_id, profile: account and profile that it is for.
        day: day of its calls.
        due_at: when it was due.
    """

    place: str
    pattern: str
    account_id: str
    profile: str
    day: date
    due_at: datetime


@dataclass(frozen=True, slots=True)
class _Series:
    """Expected files of one rule and account."""

    place: Place
    rule: FileRule
    expected: Expected
    account_id: str


def late_files(ctx: RunContext, accounts: Collection[str] | None = None) -> list[LateFile]:
    """Expected files of the last five weeks that are late, the oldest first.

    Raises:
        ConfigurationError: inbound.toml is invalid.
    """
    now = ctx.clock()
    since = (now - REPORTED).date()
    late: list[LateFile] = []
    with ctx.ledger() as ledger:
        for series in _series(ledger, ctx):
            if accounts is not None and series.account_id not in accounts:
                continue
            received = _received(series, since, now.date() + timedelta(days=1), ledger)
            late += [
                LateFile(
                    series.place.name,
                    series.rule.pattern,
                    series.account_id,
                    series.rule.profile,
                    day,
                    series.expected.due_at(day),
                )
                for day in series.expected.late(received, now, since=since)
            ]
    return sorted(late, key=lambda item: (item.day, item.place, item.account_id))


def days_awaited(accounts: Sequence[str], days: Collection[date], ctx: RunContext) -> frozenset[tuple[str, date]]:
    """Accounts and days for which a file is expected that has not arrived, late or not.

    Raises:
        ConfigurationError: inbound.toml is invalid.
    """
    if not days:
        return frozenset()
    awaited: set[tuple[str, date]] = set()
    with ctx.ledger() as ledger:
        for series in _series(ledger, ctx):
            if series.account_id in accounts:
                expected = {day for day in days if series.expected.is_expected(day)}
                if expected:
                    received = _received(series, min(expected), max(expected), ledger)
                    awaited |= {(series.account_id, day) for day in expected - received}
    return frozenset(awaited)


def _series(ledger: Ledger, ctx: RunContext) -> Iterator[_Series]:
    places = load_places(ctx.settings.inbound_file)
    if not any(rule.every for place in places for rule in place.files):
        return
    registered = {account.account_id for account in ledger.accounts.active()}
    looked = {item.place: item.first_looked_at for item in ledger.inbound.places()}
    for place in places:
        first = looked.get(place.name, ctx.clock()).date()
        for rule in place.files:
            expected = rule.expected(first, ctx.settings.time_zone)
            if expected is not None:
                for account_id in sorted(_accounts(rule, ledger, ctx) & registered):
                    yield _Series(place, rule, expected, account_id)


def _accounts(rule: FileRule, ledger: Ledger, ctx: RunContext) -> set[str]:
    """Accounts that a rule's files are for; those of earlier files where only the names say."""
    if rule.account == COLUMN:
        try:
            return set(load_profile(rule.profile, folder=ctx.settings.profile_dir).account_names.values())
        except CdrError:
            return set()
    if rule.account:
        return {rule.account}
    if rule.accounts:
        return set(rule.accounts.values())
    today = ctx.clock().date()
    fetched = ledger.inbound.fetched_dates(rule.profile, since=today - REPORTED, until=today)
    return {account_id for item in fetched for account_id in item.account_ids}


def _received(series: _Series, since: date, until: date, ledger: Ledger) -> set[date]:
    """Days whose file has arrived, whether it was fetched or imported by hand. Refused and discarded ones do not count.

    A file whose name without folders has the date is told by the names of all uploads.
    """
    rule, offset = series.rule, timedelta(days=series.rule.day_offset)
    name = rule.compiled.last_part
    if name.has_date:
        matches = (name.match(upload.file_name) for upload in ledger.uploads.names([series.account_id], [rule.profile]))
        return {match.file_date + offset for match in matches if match is not None and match.file_date is not None}
    received: set[date] = set()
    for item in ledger.inbound.fetched_dates(rule.profile, since=since, until=until):
        for account_id, upload_id in zip(item.account_ids, item.upload_ids, strict=True):
            if account_id == series.account_id and item.file_date not in received:
                upload = ledger.uploads.find(account_id, upload_id)
                if upload is not None and upload.state not in _NOT_RECEIVED:
                    received.add(item.file_date)
    return received
