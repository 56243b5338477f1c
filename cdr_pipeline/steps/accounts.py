"""Accounts as people state them, checked before the ledger learns of them."""

import re
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.ledger import Account

# Account ids become folder names; this is what keeps them inside their folder.
_ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COUNTRY_CODE: Final = re.compile(r"[1-9]\d{0,2}")


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


def add_account(account: Account, at: Workplace, *, zone_from: date | None = None) -> date | None:
    """Makes an account known, or changes it. Days that it has had keep their zone, and their records their day.

    Args:
        account: as it is to be.
        at: where.
        zone_from: first day in the new zone, where the zone is another one: the first day that has not begun and
            holds nothing when omitted.

    Returns:
        The first day in the new zone, where the account moves from one to another.

    Raises:
        ConfigurationError: a day from ``zone_from`` on lies in the earlier zone already.
    """
    with at.ledger() as ledger:
        known = {item.account_id: item for item in ledger.all_accounts()}.get(account.account_id)
        newest = ledger.newest_day(account.account_id)
        if known is None or known.time_zone == account.time_zone or (newest is None and zone_from is None):
            ledger.add_account(account, now=at.clock())
            return None
        # A move that lies in the future is one of the days that stay as they are.
        taken = [newest, *(zone.until - timedelta(days=1) for zone in known.earlier_zones)]
        last = max((day for day in taken if day is not None), default=None)
        today = max(at.clock().astimezone(ZoneInfo(zone)).date() for zone in (known.time_zone, account.time_zone))
        moved = zone_from or max(today, last or today) + timedelta(days=1)
        if last is not None and moved <= last:
            raise ConfigurationError(
                f"{last} lies in {known.time_zone} already",
                hint=f"move the account from {last + timedelta(days=1)} on, or later",
            )
        ledger.move_account(account, until=moved, before=known.time_zone, now=at.clock())
        return moved
