"""The internal pack: all breaks of a carrier's day with both sides' values and decisions. Not for the carrier."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Final

from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.exports.break_tables import BreakTable, Cell, Line, WrittenPack, added, file_part, write_table
from cdr_pipeline.exports.reconciliation_words import CAUSES, class_meaning, class_name

_COLUMNS: Final[tuple[str, ...]] = (
    "outcome_id", "business_date", "class", "cause", "ambiguous", "destination", "currency", "agreed_rate",
    "expected_amount", "charged_too_much", "rule", "time_difference_ms", "switch_call_id", "carrier_call_id",
    "switch_caller", "carrier_caller", "switch_callee", "carrier_callee", "caller_id_name", "switch_started_at",
    "carrier_started_at", "switch_answered_at", "carrier_answered_at", "switch_seconds", "carrier_seconds",
    "switch_amount", "carrier_amount", "carrier_rate", "carrier_currency", "carrier_file", "carrier_line",
    "switch_record_id", "carrier_record_id", "state", "reason", "decided_by", "rule_id", "credit_note", "assignee",
    "notes", "decisions",
)  # fmt: skip
_NAMED: Final = {
    "class": "match_class", "charged_too_much": "exposure", "time_difference_ms": "delta_ms", "rule": "detail",
    "decisions": "decision_no",
}  # fmt: skip
_TOTALS: Final = (
    "Class", "What it means", "State", "Breaks", "Seconds, switch", "Seconds, carrier", "Amount, switch",
    "Amount, carrier", "Charged too much", "Charged too little", "Currency",
)  # fmt: skip


def write_internal_pack(
    breaks: Sequence[Break], *, folder: Path, heading: Sequence[tuple[str, str]], made_at: datetime
) -> WrittenPack:
    """Writes the pack.

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
    columns: dict[str, Callable[[Break], Cell]] = {
        column: attrgetter(_NAMED.get(column, column)) for column in _COLUMNS
    }
    # To be filled in: the file can be given to ``breaks decide --file``.
    columns |= {"decision": lambda _: "", "decision_reason": lambda _: ""}
    table = BreakTable("Breaks, internal", heading, _TOTALS, _totals(breaks), columns)
    stem = f"breaks_{file_part(f'{carrier}_{account}')}_{day[:10]}"
    return write_table(table, breaks, folder=folder, stem=stem, made_at=made_at)


def _totals(breaks: Sequence[Break]) -> list[Line]:
    """One line per class, cause, state and currency, then one line of all breaks per currency."""
    groups: dict[tuple[str, str, str, str], list[Break]] = defaultdict(list)
    for item in breaks:
        groups[item.match_class, item.cause or "", item.state, item.exposure_currency].append(item)
    lines: list[Line] = [
        (class_name(name), f"{class_meaning(name)}{f' ({CAUSES[cause]})' if cause else ''}", state, *_sums(items), unit)
        for (name, cause, state, unit), items in sorted(groups.items())
    ]
    currencies = sorted({item.exposure_currency for item in breaks}) or [""]
    return lines + [
        ("All", "", "", *_sums([item for item in breaks if item.exposure_currency == currency]), currency)
        for currency in currencies
    ]


def _sums(breaks: Sequence[Break]) -> tuple[int | Decimal, ...]:
    sums = [added(breaks, name) for name in ("switch_seconds", "carrier_seconds", "switch_amount", "carrier_amount")]
    too_much = sum((max(item.exposure, Decimal(0)) for item in breaks), Decimal(0))
    too_little = sum((max(-item.exposure, Decimal(0)) for item in breaks), Decimal(0))
    return len(breaks), *sums, too_much, too_little
