"""Rate cards of carriers: CSV files in the folder of the import profiles.

The header names the columns, in any order: ``prefix`` (digits), ``rate`` (price of a minute) and, where they apply,
``destination``, ``minimum`` and ``increment`` (seconds), ``fee`` (of every answered call), ``currency``, ``valid_from``
and ``valid_to`` (YYYY-MM-DD, both included). If several lines for a prefix are valid on a day, the one with the latest
``valid_from`` applies.
"""

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.reconcile.inputs.rates import Increment, Rate, RateCard, RoundingMode
from cdr_pipeline.errors import InvalidRateCard

_NEEDED: Final = ("prefix", "rate")
_COLUMNS: Final = (*_NEEDED, "destination", "minimum", "increment", "fee", "currency", "valid_from", "valid_to")
_SOURCES: Final = (OSError, pl.exceptions.PolarsError, UnicodeDecodeError)


def read_rate_card(
    path: Path, business_date: date, *, steps: Increment, currency: str, places: int, rounding: RoundingMode
) -> RateCard:
    """Reads the prices that are valid on a day.

    Args:
        path: CSV file in UTF-8.
        business_date: day on which the prices must be valid.
        steps: billing increment of lines without ``minimum`` and ``increment``.
        currency: currency of lines without one.
        places: number of decimals of a call's price.
        rounding: how prices are rounded to ``places`` decimals.

    Raises:
        InvalidRateCard: the file cannot be read, a column is missing or unknown, or a line has an invalid value. The
            message names the column or the line.
    """
    try:
        table = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except _SOURCES as error:
        raise InvalidRateCard(f"rate card {path.name} cannot be read as CSV: {type(error).__name__}") from None
    table = table.rename({column: column.strip().lower() for column in table.columns})
    missing = [column for column in _NEEDED if column not in table.columns]
    unknown = [column for column in table.columns if column not in _COLUMNS]
    if missing or unknown:
        raise InvalidRateCard(
            f"rate card {path.name}: {', '.join(missing + unknown)}: column missing or unknown",
            hint=f"its columns are {', '.join(_COLUMNS)}; only {' and '.join(_NEEDED)} are needed",
        )
    full = table.with_columns(pl.lit(None, pl.String).alias(name) for name in _COLUMNS if name not in table.columns)
    chosen: dict[str, tuple[date, Rate]] = {}
    for number, line in enumerate(full.iter_rows(named=True), start=2):
        try:
            begins, rate = _rate(line, business_date, steps, currency)
        except (ValueError, InvalidOperation):
            raise InvalidRateCard(
                f"rate card {path.name}, line {number}: prefixes are digits, prices numbers, days YYYY-MM-DD"
            ) from None
        if begins is not None and begins >= chosen.get(rate.prefix, (date.min, rate))[0]:
            chosen[rate.prefix] = (begins, rate)
    return RateCard(tuple(rate for _, rate in chosen.values()), places, rounding)


def _rate(
    line: dict[str, str | None], business_date: date, steps: Increment, currency: str
) -> tuple[date | None, Rate]:
    """First day of the line's price, None if the price is not valid on the day; and the price."""
    text = {name: (value or "").strip() for name, value in line.items()}
    prefix = text["prefix"].removeprefix("+")
    if not (prefix.isascii() and prefix.isdecimal()):
        raise ValueError(prefix)
    begins = date.fromisoformat(text["valid_from"]) if text["valid_from"] else date.min
    ends = date.fromisoformat(text["valid_to"]) if text["valid_to"] else date.max
    following = int(text["increment"] or steps.next_seconds)
    first = int(text["minimum"] or (following if text["increment"] else steps.first_seconds))
    price, fee = Decimal(text["rate"]), Decimal(text["fee"] or 0)
    if not (price.is_finite() and fee.is_finite()) or min(following, first) < 1:
        raise ValueError(prefix)
    rate = Rate(
        prefix, text["destination"] or prefix, price, Increment(first, following), fee, text["currency"] or currency
    )
    return (begins if begins <= business_date <= ends else None), rate
