"""Numbers as clients write them, in the notations in which records can have them."""

import re
from typing import Final

import polars as pl

from cdr_pipeline.core.normalize.numbers import NumberPlan, country_of, e164
from cdr_pipeline.warehouse.ledger import Account

# Country code of numbers of accounts that have none.
DEFAULT_COUNTRY: Final = "1"


def notations(numbers: tuple[str, ...], account: Account) -> tuple[str, ...]:
    """The numbers as they are, with + added, and in E.164 if they are national numbers of the account's country."""
    national = pl.DataFrame({"number": numbers}).select(
        e164(pl.col("number"), NumberPlan(account.country_code or DEFAULT_COUNTRY))
    )
    known = [*numbers, *(f"+{value}" for value in numbers if not value.startswith("+"))]
    return tuple(dict.fromkeys(known + national["number"].drop_nulls().to_list()))


def prefix_notations(prefixes: tuple[str, ...], account: Account) -> tuple[str, ...]:
    """First digits as they are, with + added, and in E.164 if they begin as callers in the account's country dial."""
    country_code = account.country_code or DEFAULT_COUNTRY
    country = country_of(country_code)
    international: list[str] = []
    for prefix in prefixes:
        if prefix.startswith("+"):
            continue
        international.append(prefix)
        if prefix.startswith("00"):
            international.append(prefix[2:])
        elif country is not None and country.trunk_prefix and not country.replacement:
            national = re.sub(country.trunk_prefix, "", prefix, count=1)
            if national not in ("", prefix):
                international.append(f"{country_code}{national}")
    # No E.164 number begins with 0.
    added = [f"+{digits}" for digits in international if digits and not digits.startswith("0")]
    return tuple(dict.fromkeys([*prefixes, *added]))


def bare(value: str) -> str:
    """A number without separators. A leading space is a plus sign that was not encoded in the URL."""
    return re.sub(r"[ ().\-/]", "", "+" + value[1:] if value.startswith(" ") else value)
