"""Nights that were missed, and incomplete nights for which a retry may help."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from cdr_pipeline import errors
from cdr_pipeline.errors import CdrError
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.operations.health import MissingDay

# A day that has begun somewhere and has not ended everywhere is at most this far from the current one in UTC.
_DAY_ANYWHERE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DueNight:
    """A business date that is not complete.

    Attributes:
        business_date: business date of the night.
        accounts: ids of accounts whose day is missing and can be retried, in order.
        hopeless: ids of accounts whose collection failed permanently.
        everybody: whether no account has been collected at all: the night was missed.
    """

    business_date: date
    accounts: tuple[str, ...]
    hopeless: tuple[str, ...]
    everybody: bool


@dataclass(frozen=True, slots=True)
class UnfinishedDay:
    """A business date that was collected before it ended in the time zones of some accounts.

    Attributes:
        business_date: business date.
        accounts: ids of these accounts, in order.
        ends_at: latest end of the day among them, UTC.
    """

    business_date: date
    accounts: tuple[str, ...]
    ends_at: datetime


def last_due_date(settings: Settings, now: datetime) -> date:
    """The latest business date whose night should have started: ``nightly_at`` and its grace period have passed."""
    zone = ZoneInfo(settings.time_zone)
    local = now.astimezone(zone)
    begins = datetime.combine(local.date(), time.fromisoformat(settings.nightly_at), tzinfo=zone)
    begun = now >= begins + timedelta(minutes=settings.nightly_grace_minutes)
    return local.date() - timedelta(days=1 if begun else 2)


def due_nights(ctx: RunContext) -> list[DueNight]:
    """Nights to run, oldest first.

    An account's first night is the day before its registration, but not before ``first_date``. A day counts when it
    has ended in the account's time zone and the grace period has passed.
    """
    with ctx.ledger() as ledger:
        return _due_nights(ledger, ctx)


def unfinished_days(ledger: Ledger, ctx: RunContext) -> list[UnfinishedDay]:
    """Days of which a part is collected although they have not ended, oldest first."""
    now = ctx.clock()
    accounts = {account.account_id: account for account in ledger.accounts.active()}
    missing = ledger.health.missing_days(
        list(accounts),
        now.date() - _DAY_ANYWHERE,
        now.date() + _DAY_ANYWHERE,
        time_zone=ctx.settings.time_zone,
    )
    by_date: dict[date, dict[str, datetime]] = {}
    for day in missing:
        if not day.attempted or day.error_code is not None:
            continue
        for account_id in day.account_ids:
            _, end = accounts[account_id].zones.bounds(day.business_date)
            if end > now:
                by_date.setdefault(day.business_date, {})[account_id] = end
    return [UnfinishedDay(day, tuple(sorted(ends)), max(ends.values())) for day, ends in sorted(by_date.items())]


def _due_nights(ledger: Ledger, ctx: RunContext) -> list[DueNight]:
    settings, now = ctx.settings, ctx.clock()
    accounts = {account.account_id: account for account in ledger.accounts.active()}
    missing = ledger.health.missing_days(
        list(accounts),
        date.fromisoformat(settings.first_date),
        last_due_date(settings, now),
        time_zone=settings.time_zone,
    )
    latest = now - timedelta(minutes=settings.nightly_grace_minutes)
    by_date: dict[date, list[MissingDay]] = {}
    for day in missing:
        ended = day.account_ids
        # Older days have ended everywhere.
        if day.business_date >= latest.date() - _DAY_ANYWHERE:
            ended = [item for item in ended if _has_ended(accounts[item], day.business_date, latest)]
        if ended:
            by_date.setdefault(day.business_date, []).append(replace(day, account_ids=ended))
    return [_night(day, parts, len(accounts)) for day, parts in sorted(by_date.items())]


def _night(day: date, parts: list[MissingDay], accounts: int) -> DueNight:
    retried, hopeless = list[str](), list[str]()
    for part in parts:
        retry = part.error_code is None or is_transient(part.error_code)
        (retried if retry else hopeless).extend(part.account_ids)
    untouched = not any(part.attempted for part in parts)
    everybody = untouched and len(retried) + len(hopeless) == accounts
    return DueNight(day, tuple(sorted(retried)), tuple(sorted(hopeless)), everybody)


def _has_ended(account: Account, business_date: date, now: datetime) -> bool:
    _, end = account.zones.bounds(business_date)
    return end <= now


def is_transient(code: str) -> bool:
    """Whether a retry may help after a failure with this code."""
    return _retryable_codes().get(code, False)


@cache
def _retryable_codes() -> dict[str, bool]:
    return {
        kind.code: kind.retryable
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, CdrError)
    }
