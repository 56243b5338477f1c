"""Formats of times in a sample of values: which ones read every value, and what shows the order of day and month."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Final

import polars as pl

_DATES: Final = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y",
    "%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%d %b %y",
    "%b %d %Y", "%b %d, %Y", "%B %d, %Y", "%B %d %Y", "%d/%b/%Y", "%Y%m%d", "%a, %d %b %Y", "%a %d %b %Y", "%y%m%d",
    "%m.%d.%Y", "%y/%m/%d", "%y-%m-%d",
)  # fmt: skip
_TIMES: Final = (
    "%H:%M:%S", "%H:%M", "%H:%M:%S%.f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p", "%H%M%S", "%H.%M.%S",
    "%H%M%S%.f", "%H%M",
)  # fmt: skip
_SEPARATORS: Final = (" ", "T", "", ", ", " - ", "_")
_YEAR_LAST: Final = ("%a %b %d %H:%M:%S %Y", "%b %d %H:%M:%S %Y")
_DATE_TIMES: Final = (
    *(f"{day}{mark}{time}" for day, mark, time in product(_DATES, _SEPARATORS, _TIMES)),
    *_YEAR_LAST,
)
_EARLIEST, _LATEST = datetime(1990, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - local times
_CANDIDATE: Final = re.compile(r"(?=.*\d)[0-9A-Za-z,./:\-_ ]{6,40}")
_SHAPES: Final = {
    "%Y": "[0-9]{4}", "%y": "[0-9]{2}", "%m": "[0-9]{1,2}", "%d": "[0-9]{1,2}", "%H": "[0-9]{1,2}", "%I": "[0-9]{1,2}",
    "%M": "[0-9]{2}", "%S": "[0-9]{2}", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]{3,9}", "%a": "[A-Za-z]{3}",
    "%p": "[AaPp][Mm]", "%.f": r"\.[0-9]+",
}  # fmt: skip
_SHOWN: Final = 200
ISO: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
RFC: Final = re.compile(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} (?:[+-][0-9]{4}|GMT|UTC)")
_EPOCHS: Final = (
    ("epoch_seconds", 946_684_800, 4_102_444_800),
    ("epoch_milliseconds", 946_684_800_000, 4_102_444_800_000),
    ("gregorian_seconds", 63_113_904_000, 66_269_664_000),
)
_GREGORIAN: Final = 62_167_219_200
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
# An epoch within an id: 1690325492.2 of Asterisk, or between punctuation.
_EPOCH_IN_ID: Final = re.compile(r"(?:^|[^0-9])(1[0-9]{9})(?:[^0-9]|$)")


@dataclass(frozen=True, slots=True)
class DayOrder:
    """Which of the formats of both orders is proven.

    Attributes:
        formats: formats that remain: one if the order is proven.
        proof: what proves it; "" if nothing does.
    """

    formats: tuple[str, ...]
    proof: str = ""


def epoch_notation(values: Sequence[str]) -> str:
    """Notation of counted times (epoch seconds, milliseconds, Gregorian seconds) that all values have; "" for none."""
    if not values or not all(_NUMBER.fullmatch(value) for value in values):
        return ""
    numbers = [float(value) for value in values]
    return next((name for name, low, high in _EPOCHS if all(low <= number < high for number in numbers)), "")


def date_time_formats(values: Sequence[str]) -> tuple[str, ...]:
    """Formats of a date and a time that read every value, the plainest first."""
    return _fitting(values, _DATE_TIMES)


def date_formats(values: Sequence[str]) -> tuple[str, ...]:
    """Formats of a date alone that read every value."""
    return _fitting(values, _DATES)


def clock_formats(values: Sequence[str]) -> tuple[str, ...]:
    """Formats of a time of day alone that read every value."""
    day = "2026-11-25"
    layouts = _fitting([f"{day} {value}" for value in values], [f"%Y-%m-%d {time}" for time in _TIMES])
    return tuple(layout.removeprefix("%Y-%m-%d ") for layout in layouts)


def day_and_month_exchanged(layout: str) -> str:
    """The format with day and month exchanged."""
    return layout.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def proven_order(layouts: Sequence[str], texts: Sequence[str], others: dict[str, list[str]]) -> DayOrder:
    """Decides between formats that all read every value, by epochs in other columns of the same rows.

    Args:
        layouts: formats that read every text.
        texts: times, one per row; "" if a row has none.
        others: values of the other columns, one per row.
    """
    distinct = _distinct(layouts, texts)
    if len(distinct) < 2:  # noqa: PLR2004 - nothing to decide
        return DayOrder(tuple(distinct))
    near: dict[str, list[str]] = {layout: [] for layout in distinct}
    for name, values in others.items():
        epochs = [epoch_in(value) for value in values]
        rows = [(text, epoch) for text, epoch in zip(texts, epochs, strict=True) if text and epoch is not None]
        if len(rows) < max(1, len(texts) // 2):
            continue
        for layout in distinct:
            read = _read([text for text, _ in rows], layout)
            if all(
                abs((time - epoch).total_seconds()) < 2 * 86_400
                for time, (_, epoch) in zip(read, rows, strict=True)
                if time
            ):
                near[layout].append(name)
    proven = [layout for layout in distinct if near[layout]]
    if len(proven) == 1:
        return DayOrder((proven[0],), f"the epochs in {near[proven[0]][0]} are near these times")
    return DayOrder(tuple(distinct))


def read_times(values: Sequence[str], notation: str, layouts: Sequence[str]) -> list[datetime | None]:
    """Times without a zone, for comparison with each other; None where a value is no time."""
    if notation:
        scale = 1_000 if notation == "epoch_milliseconds" else 1
        shift = _GREGORIAN if notation == "gregorian_seconds" else 0
        return [
            datetime.fromtimestamp(float(value) / scale - shift, UTC).replace(tzinfo=None) if value.strip("0") else None
            for value in values
        ]
    if layouts:
        return _read(values, layouts[0])
    moments: list[datetime | None] = []
    for value in values:
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            moments.append(None)
            continue
        moments.append(moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment)
    return moments


def has_seconds(layout: str) -> bool:
    """Whether a format has seconds."""
    return "%S" in layout


def _fitting(values: Sequence[str], layouts: Sequence[str]) -> tuple[str, ...]:
    """Formats that read every value. Their shapes are compared first, because the parser also accepts fewer digits."""
    sample = list(dict.fromkeys(values))[:_SHOWN]
    if not sample or not _CANDIDATE.fullmatch(sample[0]):
        return ()
    return tuple(
        layout
        for layout in layouts
        if _shape(layout).fullmatch(sample[0]) and all(map(_shape(layout).fullmatch, sample)) and _reads(sample, layout)
    )


@cache
def _shape(layout: str) -> re.Pattern[str]:
    """Expression for the values of a format."""
    compact = re.search(r"%[YmdyHMS]%[YmdyHMS]", layout) is not None
    parts = re.split(r"(%\.f|%[A-Za-z])", layout)
    shapes = {**_SHAPES, **dict.fromkeys(("%m", "%d", "%H"), "[0-9]{2}")} if compact else _SHAPES
    return re.compile("".join(shapes.get(part, re.escape(part).replace("\\ ", " +")) for part in parts))


def _reads(values: Sequence[str], layout: str) -> bool:
    times = _read(values, layout)
    return all(time is not None and _EARLIEST <= time < _LATEST for time in times)


def _read(values: Sequence[str], layout: str) -> list[datetime | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            series = pl.Series(list(values), dtype=pl.String).str.to_datetime(
                layout, time_unit="us", strict=False, exact=True
            )
        except pl.exceptions.PolarsError:
            return [None] * len(values)
    return series.to_list()


def _distinct(layouts: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Formats that read the texts as different times; of equal ones the first."""
    present = [text for text in texts if text][:_SHOWN]
    seen: dict[tuple[datetime | None, ...], str] = {}
    for layout in layouts:
        seen.setdefault(tuple(_read(present, layout)), layout)
    return list(seen.values())


def epoch_in(value: str) -> datetime | None:
    """Time of the epoch in an id, UTC without a zone; None if there is none."""
    found = _EPOCH_IN_ID.search(value)
    if found is None:
        return None
    return datetime.fromtimestamp(int(found[1]), UTC).replace(tzinfo=None)
