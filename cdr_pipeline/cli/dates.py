"""Dates on the command line: YYYY-MM-DD, or relative to the current day in the operator's time zone."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

_WORDS: Final = {"today": 0, "yesterday": -1}
_DAYS_BACK: Final = re.compile(r"-\d{1,4}")
_FORMS: Final = "YYYY-MM-DD, today, yesterday, or -N for N days ago"
# Where a day begins first.
_EASTERNMOST: Final = "Etc/GMT-14"
_COMPLETED: Final = 14


def parse_day(text: str) -> datetime:
    """Midnight of a day that has begun somewhere, without a time zone.

    Args:
        text: YYYY-MM-DD, today, yesterday, or -N for N days before today in CDR_TIME_ZONE.
    """
    from cdr_pipeline.steps.run_context import utc_now

    day = parse_any_day(text)
    latest = utc_now().astimezone(ZoneInfo(_EASTERNMOST)).date()
    if day.date() > latest:
        raise typer.BadParameter(f"{day:%Y-%m-%d} is in the future: give a day that has begun, as {_FORMS}")
    return day


def parse_any_day(text: str) -> datetime:
    """Midnight of a day, without a time zone; it may be in the future.

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
        raise typer.BadParameter(f"'{text}' is not a day: give {_FORMS}") from None


def parse_month(text: str) -> datetime:
    """First day of a month.

    Args:
        text: YYYY-MM, or -N for N months before the current one in CDR_TIME_ZONE.
    """
    word = text.strip().lower()
    if _DAYS_BACK.fullmatch(word):
        today = _days_from_today(0)
        months = today.year * 12 + today.month - 1 + int(word)
        return today.replace(year=months // 12, month=months % 12 + 1, day=1)
    try:
        return datetime.strptime(word, "%Y-%m")  # noqa: DTZ007
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a month: give YYYY-MM, or -N for N months ago") from None


def complete_day(incomplete: str) -> Iterator[str]:
    """Words and the last days, for the shell."""
    today = _days_from_today(0)
    known = [*_WORDS, *(f"{today - timedelta(days=days):%Y-%m-%d}" for days in range(_COMPLETED))]
    return (word for word in known if word.startswith(incomplete))


def require_order(first: datetime | None, last: datetime | None) -> None:
    """Checks a range of days.

    Raises:
        ConfigurationError: the first day is after the last one.
    """
    from cdr_pipeline.errors import ConfigurationError

    if first is not None and last is not None and first > last:
        raise ConfigurationError(f"--from {first:%Y-%m-%d} is after --to {last:%Y-%m-%d}", hint="swap the two days")


def chosen_range(
    first: datetime | None, last: datetime | None, day: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """First and last day of ``--from`` and ``--to``, or of ``--date``, which is both.

    Raises:
        ConfigurationError: the first day is after the last one, or both ways are used.
    """
    from cdr_pipeline.errors import ConfigurationError

    if day is not None:
        if first is not None or last is not None:
            raise ConfigurationError("--date is one day, --from and --to are a range", hint="give one or the other")
        return day, day
    require_order(first, last)
    return first, last


def day_option(text: str, *names: str, parser: Callable[[str], datetime] = parse_day) -> Any:  # noqa: ANN401 - as typer.Option
    """An option that takes a day; the forms of days are added to its help."""
    return typer.Option(
        *(names or ("--date",)),
        parser=parser,
        metavar="DAY",
        help=f"{text}: YYYY-MM-DD, today, yesterday or -N.",
        autocompletion=complete_day,
    )


Day = Annotated[datetime, day_option("Business date")]
Days = Annotated[list[datetime] | None, day_option("Business date; repeat for several")]
First = Annotated[datetime | None, day_option("First day", "--from")]
Last = Annotated[datetime | None, day_option("Last day", "--to")]
Only = Annotated[datetime | None, day_option("Only this day", "--date")]


def _days_from_today(days: int) -> datetime:
    from cdr_pipeline.settings import load_settings
    from cdr_pipeline.steps.run_context import utc_now

    today = utc_now().astimezone(ZoneInfo(load_settings().time_zone)).date()
    return datetime.combine(today + timedelta(days=days), time())
