"""The dispute pack: breaks with both sides' values, as a workbook and as a CSV file.

Phone numbers, ids and names are text cells, so that a spreadsheet neither rounds nor runs them. Seconds and money are
numeric cells, so that they can be added up; the CSV file has all their decimals.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.exports.atomic import new_file, sole_writer
from cdr_pipeline.exports.reconciliation_words import CAUSES, class_meaning, class_name
from cdr_pipeline.files.durable import PRIVATE_FILE, PRIVATE_FOLDER

_COLUMNS: Final[tuple[str, ...]] = (
    "outcome_id", "business_date", "class", "cause", "ambiguous", "destination", "currency", "agreed_rate",
    "expected_amount", "charged_too_much", "rule", "time_difference_ms", "switch_call_id", "carrier_call_id",
    "switch_caller", "carrier_caller", "switch_callee", "carrier_callee", "caller_id_name", "switch_started_at",
    "carrier_started_at", "switch_answered_at", "carrier_answered_at", "switch_seconds", "carrier_seconds",
    "switch_amount", "carrier_amount", "carrier_rate", "carrier_currency", "carrier_file", "carrier_line",
    "switch_record_id", "carrier_record_id", "state", "reason", "decided_by",
)  # fmt: skip
_NUMERIC: Final = frozenset(
    {
        "agreed_rate", "expected_amount", "charged_too_much", "time_difference_ms", "switch_seconds", "carrier_seconds",
        "switch_amount", "carrier_amount", "carrier_rate", "carrier_line",
    }
)  # fmt: skip
_NAMED: Final = {"charged_too_much": "exposure", "time_difference_ms": "delta_ms", "rule": "detail"}
_TOTALS: Final = (
    "Class", "What it means", "Breaks", "Seconds, switch", "Seconds, carrier", "Amount, switch", "Amount, carrier",
    "Charged too much", "Charged too little", "Currency",
)  # fmt: skip
# First characters of cells that a spreadsheet runs when it opens a CSV file.
_FORMULA: Final = ("=", "@", "\t", "\r", "+", "-")


_Cell = str | Decimal | int | datetime | date | None


@dataclass(frozen=True, slots=True)
class DisputePack:
    """A pack on disk and its number of breaks."""

    workbook: Path
    csv_file: Path
    breaks: int


def write_pack(
    breaks: Sequence[Break], *, folder: Path, heading: Sequence[tuple[str, str]], made_at: datetime
) -> DisputePack:
    """Writes the pack, each file atomically; the same breaks give the same bytes.

    Args:
        breaks: breaks of one carrier's day.
        folder: folder of the pack.
        heading: names and values at the top of the workbook: carrier, account and day, which make the file name, then
            the rules.
        made_at: creation time in the workbook's properties.

    Raises:
        ExportError: a file cannot be written.
    """
    carrier, account, day = (value for _, value in heading[:3])
    plain = "".join(sign if sign.isalnum() else "_" for sign in f"{carrier}_{account}")
    stem = f"dispute_{plain}_{day[:10]}"
    pack = DisputePack(folder / f"{stem}.xlsx", folder / f"{stem}.csv", len(breaks))
    with sole_writer(folder, mode=PRIVATE_FOLDER):
        for path, content in (
            (pack.csv_file, _csv(breaks)),
            (pack.workbook, _workbook(breaks, heading, made_at)),
        ):
            with new_file(path, mode=PRIVATE_FILE) as writing:
                writing.write(content)
                writing.place()
    return pack


def _value(item: Break, column: str) -> _Cell:
    if column == "class":
        return item.match_class
    value: _Cell = getattr(item, _NAMED.get(column, column))
    return value


def _text(value: _Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _csv(breaks: Sequence[Break]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for item in breaks:
        values = {column: _text(_value(item, column)) for column in _COLUMNS}
        for column in ("caller_id_name", "reason", "decided_by", "carrier_file"):
            if values[column].startswith(_FORMULA):
                values[column] = f"'{values[column]}"
        writer.writerow(values.values())
    return text.getvalue().encode()


def _workbook(breaks: Sequence[Break], heading: Sequence[tuple[str, str]], made_at: datetime) -> bytes:
    content = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(content, options) as book:
        book.set_properties({"title": "Dispute pack", "created": made_at.replace(tzinfo=None)})
        bold, money = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "#,##0.00######"})
        totals = book.add_worksheet("Totals")
        for row, line in enumerate(heading):
            _write(totals, row, line, money)
        start = len(heading) + 1
        _write(totals, start, _TOTALS, bold)
        for row, line in enumerate(_totals(breaks), start=start + 1):
            _write(totals, row, line, money)
        totals.set_column(0, 0, 30)
        totals.set_column(1, 1, 52)
        totals.set_column(2, len(_TOTALS), 16)
        breaks_sheet = book.add_worksheet("Breaks")
        _write(breaks_sheet, 0, _COLUMNS, bold)
        for row, item in enumerate(breaks, start=1):
            _write(breaks_sheet, row, [_cell(item, column) for column in _COLUMNS], money)
        breaks_sheet.freeze_panes(1, 1)
        breaks_sheet.autofilter(0, 0, len(breaks), len(_COLUMNS) - 1)
        breaks_sheet.set_column(0, len(_COLUMNS) - 1, 18)
        for sheet in (totals, breaks_sheet):
            sheet.set_landscape()
            sheet.set_paper(9)
            sheet.fit_to_pages(1, 0)
    return content.getvalue()


def _cell(item: Break, column: str) -> str | int | Decimal:
    """A number if the column can be added up, otherwise text."""
    value = _value(item, column)
    return value if column in _NUMERIC and isinstance(value, int | Decimal) else _text(value)


def _write(sheet: Worksheet, row: int, line: Sequence[str | int | Decimal], style: Format) -> None:
    """Writes one row; strings always become text cells. The style applies to titles and decimals."""
    title = line in (_TOTALS, _COLUMNS)
    for column, value in enumerate(line):
        if isinstance(value, str):
            sheet.write_string(row, column, value, style if title else None)
        else:
            sheet.write_number(row, column, float(value), style if isinstance(value, Decimal) else None)


def _totals(breaks: Sequence[Break]) -> list[tuple[str | int | Decimal, ...]]:
    """One line per class, cause and currency, then one line of all breaks per currency."""
    groups: dict[tuple[str, str, str], list[Break]] = defaultdict(list)
    for item in breaks:
        groups[item.match_class, item.cause or "", item.exposure_currency].append(item)
    lines: list[tuple[str | int | Decimal, ...]] = [
        (class_name(name), f"{class_meaning(name)}{f' ({CAUSES[cause]})' if cause else ''}", *_sums(items), currency)
        for (name, cause, currency), items in sorted(groups.items())
    ]
    for currency in sorted({item.exposure_currency for item in breaks}) or [""]:
        of_currency = [item for item in breaks if item.exposure_currency == currency]
        lines.append(("All", "", *_sums(of_currency), currency))
    return lines


def _sums(breaks: Sequence[Break]) -> tuple[int | Decimal, ...]:
    columns = ("switch_seconds", "carrier_seconds", "switch_amount", "carrier_amount")
    sums = [sum((_added(item, name) for item in breaks), Decimal(0)) for name in columns]
    too_much = sum((max(item.exposure, Decimal(0)) for item in breaks), Decimal(0))
    too_little = sum((max(-item.exposure, Decimal(0)) for item in breaks), Decimal(0))
    return len(breaks), *sums, too_much, too_little


def _added(item: Break, name: str) -> Decimal:
    """A value to add up; 0 for the switch's price if the carrier charged in another currency."""
    foreign = name == "switch_amount" and item.cause == "currency"
    value: Decimal | None = None if foreign else getattr(item, name)
    return value or Decimal(0)
