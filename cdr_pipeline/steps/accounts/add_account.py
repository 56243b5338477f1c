"""Adds an account or changes one. Values are checked before they reach the ledger."""

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cdr_pipeline.core.time.account_zones import AccountZones, EarlierZone
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger

# Account ids are used as folder names: no character of them may lead out of the export folder.
_ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COUNTRY_CODE: Final = re.compile(r"[1-9]\d{0,2}")


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """An account to add, or the values to change of a registered one. None leaves a value unchanged.

    Attributes:
        account_id: id of the account on the switch.
        name: display name.
        parent_id: id of the account above it; an empty string removes it from the tree.
        time_zone: IANA name. A new account without one gets the time zone of the settings.
        country_code: E.164 country code of its national numbers, digits only; an empty string removes it.
        active: whether the nightly run collects the account. A new account is active.
    """

    account_id: str
    name: str | None = None
    parent_id: str | None = None
    time_zone: str | None = None
    country_code: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class AddedAccount:
    """The account after the change. ``moved`` is its first day in the new time zone, None without a change of zone."""

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
    """Returns the account after checking its id, time zone and country code.

    Raises:
        ConfigurationError: a value is invalid; the message names it and the hint shows the expected form.
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
    """Adds an account, or changes the values that the request gives for a registered one.

    An account that has days can change its time zone only from a given day on. The change waits for running loads of
    the account, because they assign business dates by the previous zone.

    Args:
        request: account to add, or values to change.
        ctx: settings, warehouse, clock and progress callback.
        zone_from: first business date in the new zone; required for an account that has days.

    Raises:
        ConfigurationError: a value is invalid, or the change would move a day with records or a sealed day.
    """
    with ctx.ledger() as ledger, ledger.accounts.lock_out_loads(request.account_id):
        registered = ledger.accounts.find_account(request.account_id)
        account = _as_requested(request, registered, ctx)
        if registered is None:
            ledger.accounts.add(account, now=ctx.clock())
            return AddedAccount(account)
        if registered.time_zone == account.time_zone:
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
        moved = _first_day(registered, account, newest, zone_from, ctx)
        _require_unmoved_days(registered, account, moved, ledger, ctx)
        ledger.accounts.move(account, until=moved, before=registered.time_zone, now=ctx.clock())
        return AddedAccount(account, moved)


def _as_requested(request: AccountRequest, registered: Account | None, ctx: RunContext) -> Account:
    before = registered or Account(request.account_id, time_zone=ctx.settings.time_zone)
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


def _first_day(
    registered: Account, account: Account, newest: date | None, zone_from: date | None, ctx: RunContext
) -> date:
    """Returns the first day in the new zone, which the caller must give.

    Raises:
        ConfigurationError: it is missing, or that day is already in the earlier zone.
    """
    # Days before a future move already have their zone and keep it.
    assigned = [newest, *(zone.until - timedelta(days=1) for zone in registered.earlier_zones)]
    last = max((day for day in assigned if day is not None), default=None)
    if zone_from is not None and (last is None or zone_from > last):
        return zone_from
    problem = (
        f"account {account.account_id} has days in {registered.time_zone}, and a new zone would move their bounds"
        if zone_from is None
        else f"{last} is already in {registered.time_zone}"
    )
    raise ConfigurationError(problem, hint=_move_hint(registered, account, last, ctx))


def _require_unmoved_days(registered: Account, account: Account, moved: date, ledger: Ledger, ctx: RunContext) -> None:
    """Checks that days before the move keep their records and that sealed days keep their bounds.

    Raises:
        ConfigurationError: a record or the end of a sealed day would move.
    """
    after = AccountZones(account.time_zone, (*registered.earlier_zones, EarlierZone(registered.time_zone, moved)))
    begins = after.bounds(moved)[0]
    if ledger.accounts.has_records_from(account.account_id, begins, before=moved):
        raise ConfigurationError(
            f"account {account.account_id}: calls that started after {begins:%Y-%m-%d %H:%M} UTC are on days before"
            f" {moved} and would belong to it",
            hint=_move_hint(registered, account, moved, ctx),
        )
    edge = [moved - timedelta(days=back) for back in (1, 2)]
    sealed = [day for day in edge if registered.zones.bounds(day) != after.bounds(day)]
    if final := ledger.accounts.final_days(account.account_id, sealed):
        raise ConfigurationError(
            f"account {account.account_id}: {final[0]} is sealed and would end at another time",
            hint=_move_hint(registered, account, moved, ctx),
        )


def _move_hint(registered: Account, account: Account, last: date | None, ctx: RunContext) -> str:
    """The command that changes the zone between two days that have no records yet."""
    today = max(ctx.clock().astimezone(ZoneInfo(zone)).date() for zone in (registered.time_zone, account.time_zone))
    first = max(today, today if last is None else last + timedelta(days=1)) + timedelta(days=1)
    return (
        f"'cdr-pipeline accounts add {account.account_id} --time-zone {account.time_zone} --zone-from {first}' moves it"
        " from then on"
    )
