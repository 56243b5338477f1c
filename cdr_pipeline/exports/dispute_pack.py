"""The pack for the carrier: what is claimed from it, with the values of both sides, and nothing else.

It has no customer's name, no price of the switch, no decision or note, and none of our tolerances. The carrier's values
are as in its files: numbers as delivered, times in the zone of its files.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.exports.break_tables import BreakTable, Cell, Line, WrittenPack, added, file_part, write_table
from cdr_pipeline.exports.reconciliation_words import CAUSES, claim_words

_TOTALS: Final = ("Claim", "Rule", "Calls", "Your seconds", "Our seconds", "Expected", "Charged", "Claimed", "Currency")
_CLAIMED_WHOLE: Final = frozenset({MatchClass.MISSING_IN_SWITCH.value, MatchClass.DUP_B.value})


def write_dispute_pack(
    claims: Sequence[Break], *, folder: Path, account_id: str, carrier: str, day: date, zone: str, made_at: datetime
) -> WrittenPack:
    """Writes the pack. The account shows only as a reference that does not reveal it.

    Args:
        claims: breaks of one carrier's day; see ``claims_of``.
        folder: folder of the pack.
        account_id: account that owns the calls.
        carrier: name of the carrier.
        day: business date.
        zone: zone of the carrier's files.
        made_at: creation time in the workbook's properties.

    Raises:
        ExportError: a file cannot be written.
    """
    reference = sha256(f"{account_id}\x1f{carrier}\x1f{day}".encode()).hexdigest()[:8]
    table = BreakTable(
        "Dispute",
        [
            ("Carrier", carrier),
            ("Day", str(day)),
            ("Reference", reference),
            ("Times", f"yours in {zone}, as in your files; ours in UTC"),
        ],
        _TOTALS,
        _totals(claims),
        _columns(ZoneInfo(zone)),
    )
    return write_table(
        table, claims, folder=folder, stem=f"dispute_{file_part(carrier)}_{day}_{reference}", made_at=made_at
    )


def _columns(zone: ZoneInfo) -> Mapping[str, Callable[[Break], Cell]]:
    return {
        "reference": lambda item: item.outcome_id,
        "day": lambda item: item.business_date,
        "claim": lambda item: claim_words(item.match_class),
        "rule": _rule,
        "destination": lambda item: item.destination,
        "currency": lambda item: item.exposure_currency,
        "agreed_rate": lambda item: item.agreed_rate,
        "expected_amount": _expected,
        "charged_amount": lambda item: item.carrier_amount,
        "claimed_amount": lambda item: item.exposure,
        "your_record_id": lambda item: item.carrier_record_id,
        "your_call_id": lambda item: item.carrier_call_id,
        "your_caller": lambda item: item.carrier_caller,
        "your_called": lambda item: item.carrier_callee,
        "your_start": lambda item: _local(item.carrier_started_at, zone),
        "your_answer": lambda item: _local(item.carrier_answered_at, zone),
        "your_seconds": lambda item: item.carrier_seconds,
        "your_rate": lambda item: item.carrier_rate,
        "your_file": lambda item: item.carrier_file,
        "your_line": lambda item: item.carrier_line,
        "our_call_id": lambda item: item.switch_call_id,
        "our_caller": lambda item: item.switch_caller,
        "our_called": lambda item: item.switch_callee,
        "our_start": lambda item: item.switch_started_at,
        "our_answer": lambda item: item.switch_answered_at,
        "our_seconds": lambda item: item.switch_seconds,
    }


def _rule(item: Break) -> str:
    """Why the amount is not owed."""
    cause = CAUSES[item.cause] if item.cause else ""
    return ": ".join(part for part in (cause, item.detail or "") if part)


def _expected(item: Break) -> Decimal | None:
    return Decimal(0) if item.match_class in _CLAIMED_WHOLE else item.expected_amount


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(zone).isoformat(sep=" ")


def _totals(claims: Sequence[Break]) -> list[Line]:
    """One line per claim, rule and currency, then one line of all claims per currency."""
    groups: dict[tuple[str, str, str], list[Break]] = defaultdict(list)
    for item in claims:
        groups[claim_words(item.match_class), _rule(item), item.exposure_currency].append(item)
    lines: list[Line] = [
        (claim, rule, *_sums(items), currency) for (claim, rule, currency), items in sorted(groups.items())
    ]
    currencies = sorted({item.exposure_currency for item in claims}) or [""]
    return lines + [
        ("All", "", *_sums([item for item in claims if item.exposure_currency == currency]), currency)
        for currency in currencies
    ]


def _sums(claims: Sequence[Break]) -> tuple[int | Decimal, ...]:
    expected = sum((_expected(item) or Decimal(0) for item in claims), Decimal(0))
    seconds = added(claims, "carrier_seconds"), added(claims, "switch_seconds")
    return len(claims), *seconds, expected, added(claims, "carrier_amount"), added(claims, "exposure")
