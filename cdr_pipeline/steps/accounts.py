"""Accounts as people state them, checked before the ledger learns of them."""

import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cdr_pipeline.errors import ConfigurationError
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
