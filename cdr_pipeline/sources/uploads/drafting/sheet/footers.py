"""Lines of totals and end marks."""

import re
from typing import Final

from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.drafting.columns.time_formats import date_formats, date_time_formats, epoch_notation
from cdr_pipeline.sources.uploads.drafting.sheet.limits import FEW
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet

MOST_FOOTERS: Final = 5
_TOTAL: Final = re.compile(
    r"\W*(?:grand\s+|sub)?(?:totals?|totaux|summe|gesamt\w*|somme|totale|totaal|total\s*general|sum|records?|rows|count"
    r"|number of (?:records|calls)|anzahl|eof|end|ende|fin|trailer|trl|generated|exported|page)\b.*",
    re.IGNORECASE | re.DOTALL,
)
ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]")


def without_footers(records: list[list[str]], tail: list[list[str]], width: int, sheet: Sheet) -> list[list[str]]:
    """Complete records; lines of totals at the end of the file are described as footers."""
    found: list[list[str]] = []
    for row in reversed(tail[-MOST_FOOTERS:]):
        text = next((cell.strip() for cell in row if cell.strip()), "")
        ragged = len(row) != width and len(records) > FEW
        if not (_TOTAL.fullmatch(text) or (ragged and not _has_time(row))) or _has_time(row):
            break
        found.append(row)
    if found:
        patterns = dict.fromkeys(_footer_pattern(row) for row in found)
        sheet.layout["footer"] = list(patterns)
        sheet.footers = found[::-1]
        sheet.decided.append(f"skipped: {count_of(len(found), 'line')} at the end, with totals or end marks")
    return [row for row in records if len(row) == width and row not in found]


def _footer_pattern(row: list[str]) -> str:
    first = next((index for index, cell in enumerate(row) if cell.strip()), 0)
    word = re.match(r"\W*[^\d\W]*", row[first].strip())
    mark = re.escape(word[0].strip() if word and word[0].strip() else row[first].strip())
    return f'^[",;|\\s]*{mark}'


def _has_time(row: list[str]) -> bool:
    return any(
        bool(date_time_formats([cell.strip()]) or date_formats([cell.strip()]) or ISO_DATE.match(cell.strip()))
        for cell in row
        if cell.strip()
    ) or any(epoch_notation([cell.strip()]) == "epoch_seconds" for cell in row)
