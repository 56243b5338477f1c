"""Accounts as people state them, checked before the ledger learns of them."""

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cdr_pipeline.core.time.account_zones import AccountZones, EarlierZone
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger

# Account ids become folder names; this is what keeps them inside their folder.
_ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COUNTRY_CODE: Final = re.compile(r"[1-9]\d{0,2}")


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """An account to add, or what to change of a known one; what is None stays as it is.

    Attributes:
        account_id: the switch's id.
        name: for people.
        parent_id: the account above it; an empty one takes it out of the tree.
        time_zone: IANA name. A new account without one is in the operator's.
        country_code: E.164 country code of its national numbers, digits only; an empty one removes it.
        active: whether the nightly run collects it. A new account is collected.
    """

    account_id: str
    name: str | None = None
    parent_id: str | None = None
    time_zone: str | None = None
    country_code: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class AddedAccount:
    """The account as it is now; ``moved`` is its first day in a new zone, where it moves from one to another."""

    account: Account
    moved: date | None = None


def checked_account(
    *,
    account_id: str,
    name: str,
    parent_id: str | None,
    time_zone: str,
    country_code: str | None,
    active: bool,
) -> Account:
    """An account whose id, zone and country code can be relied on.

    Raises:
        ConfigurationError: naming what is wrong and what it should look like.
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise ConfigurationError(
            "an account id is 1 to 64 letters, digits, '-' or '_'",
            hint="copy it from the switch's API or portal",
        )
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"{time_zone!r} is not an IANA time zone", hint="write it like Europe/Berlin or America/New_York"
        ) from error
    if country_code is not None and not _COUNTRY_CODE.fullmatch(country_code):
        raise ConfigurationError(
            f"{country_code!r} is not a country code", hint="one to three digits without + or 00, such as 49"
        )
    return Account(account_id, name, parent_id, time_zone, country_code, active=active)


def add_account(request: AccountRequest, ctx: RunContext, *, zone_from: date | None = None) -> AddedAccount:
    """Adds an account, or changes what the request names of a known one.

    An account that has days changes its zone only from a stated day on. Waits for loads of the account that are
    running: they place their records by the zone of before.

    Args:
        request: what to add or change.
        ctx: settings, warehouse, clock and progress callback.
        zone_from: first day in the new zone, of an account that has days.

    Raises:
        ConfigurationError: a value is wrong, or the change would move a day that has records or is sealed.
    """
    with ctx.ledger() as ledger, ledger.accounts.no_loads(request.account_id):
        known = ledger.accounts.find_account(request.account_id)
        account = _as_requested(request, known, ctx)
        if known is None:
            ledger.accounts.add(account, now=ctx.clock())
            return AddedAccount(account)
        if known.time_zone == account.time_zone:
            if zone_from is not None and request.time_zone is None:
                raise ConfigurationError(
                    "a first day in a new zone was given, but no zone", hint="name it with --time-zone"
                )
            ledger.accounts.change_account(account)
            return AddedAccount(account)
        newest = ledger.accounts.newest_day(account.account_id)
        if newest is None and zone_from is None:
            ledger.accounts.change_account(account)
            return AddedAccount(account)
        moved = _first_day(known, account, newest, zone_from, ctx)
        _require_unmoved_days(known, account, moved, ledger, ctx)
        ledger.accounts.move(account, until=moved, before=known.time_zone, now=ctx.clock())
        return AddedAccount(account, moved)


def _as_requested(request: AccountRequest, known: Account | None, ctx: RunContext) -> Account:
    before = known or Account(request.account_id, time_zone=ctx.settings.time_zone)
    parent = before.parent_id if request.parent_id is None else request.parent_id or None
    country = before.country_code if request.country_code is None else request.country_code or None
    checked = checked_account(
        account_id=request.account_id,
        name=before.name if request.name is None else request.name,
        parent_id=parent,
        time_zone=request.time_zone or before.time_zone,
        country_code=country,
        active=before.active if request.active is None else request.active,
    )
    return replace(checked, dialect=before.dialect, earlier_zones=before.earlier_zones)


def _first_day(known: Account, account: Account, newest: date | None, zone_from: date | None, ctx: RunContext) -> date:
    """The first day in the new zone, which must be stated.

    Raises:
        ConfigurationError: it is not stated, or that day is in the earlier zone already.
    """
    # A move that is still to come is one of the days that stay as they are.
    taken = [newest, *(zone.until - timedelta(days=1) for zone in known.earlier_zones)]
    last = max((day for day in taken if day is not None), default=None)
    if zone_from is not None and (last is None or zone_from > last):
        return zone_from
    what = (
        f"account {account.account_id} has days in {known.time_zone}, and a new zone would move their bounds"
        if zone_from is None
        else f"{last} lies in {known.time_zone} already"
    )
    raise ConfigurationError(what, hint=_move_hint(known, account, last, ctx))


def _require_unmoved_days(known: Account, account: Account, moved: date, ledger: Ledger, ctx: RunContext) -> None:
    """The days before a move keep the records and, where they are sealed, the bounds that they have.

    Raises:
        ConfigurationError: one of them would not.
    """
    after = AccountZones(account.time_zone, (*known.earlier_zones, EarlierZone(known.time_zone, moved)))
    begins = after.bounds(moved)[0]
    if ledger.accounts.has_records_from(account.account_id, begins, before=moved):
        raise ConfigurationError(
            f"account {account.account_id}: calls that started after {begins:%Y-%m-%d %H:%M} UTC are on days before"
            f" {moved} and would belong to it",
            hint=_move_hint(known, account, moved, ctx),
        )
    edge = [moved - timedelta(days=back) for back in (1, 2)]
    sealed = [day for day in edge if known.zones.bounds(day) != after.bounds(day)]
    if final := ledger.accounts.final_days(account.account_id, sealed):
        raise ConfigurationError(
            f"account {account.account_id}: {final[0]} is sealed and would end at another time",
            hint=_move_hint(known, account, moved, ctx),
        )


def _move_hint(known: Account, account: Account, last: date | None, ctx: RunContext) -> str:
    """The command that moves an account between two days of which neither has anything yet."""
    today = max(ctx.clock().astimezone(ZoneInfo(zone)).date() for zone in (known.time_zone, account.time_zone))
    first = max(today, today if last is None else last + timedelta(days=1)) + timedelta(days=1)
    return (
        f"'cdr-pipeline accounts add {account.account_id} --time-zone {account.time_zone} --zone-from {first}' moves it"
        " from then on"
    )
