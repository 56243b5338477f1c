"""Dates on the command line: YYYY-MM-DD, or relative to the current day in the operator's time zone."""

import re
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import typer

_WORDS: Final = {"today": 0, "yesterday": -1}
_DAYS_BACK: Final = re.compile(r"-\d{1,4}")


def parse_day(text: str) -> datetime:
    """Midnight of a day, without a time zone.

    Args:
        text: YYYY-MM-DD, today, yesterday, or -N for N days before today in CDR_TIME_ZONE.
    """
    word = text.strip().lower()
    if word in _WORDS:
        return _days_from_today(_WORDS[word])
    if _DAYS_BACK.fullmatch(word):
        return _days_from_today(int(word))
    try:
        return datetime.strptime(word, "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        message = f"'{text}' is not a day: give YYYY-MM-DD, today, yesterday, or -N for N days ago"
        raise typer.BadParameter(message) from None


def require_order(first: datetime | None, last: datetime | None) -> None:
    """Checks a range of days.

    Raises:
        ConfigurationError: the first day is after the last one.
    """
    from cdr_pipeline.errors import ConfigurationError

    if first is not None and last is not None and first > last:
        raise ConfigurationError(f"--from {first:%Y-%m-%d} is after --to {last:%Y-%m-%d}", hint="swap the two days")


def _days_from_today(days: int) -> datetime:
    from cdr_pipeline.settings import load_settings
    from cdr_pipeline.steps.run_context import utc_now

    today = utc_now().astimezone(ZoneInfo(load_settings().time_zone)).date()
    return datetime.combine(today + timedelta(days=days), time())
