"""Breaks for display and decisions: one with both sides' records, sums by cause, a carrier's trend, open breaks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from cdr_pipeline.core.reconcile.classify.classes import MatchClass

Decision = Literal["accepted", "disputed", "credited"]
DECISIONS: Final[tuple[Decision, ...]] = ("accepted", "disputed", "credited")
# A carrier that is told of such a break learns of calls that it forgot to bill.
_NEVER_CLAIMED: Final = frozenset({MatchClass.MISSING_AT_CARRIER.value, MatchClass.DUP_A.value})


@dataclass(frozen=True, slots=True)
class TrendDay:
    """One day of a carrier's trend: the newest version of its reconciliation."""

    business_date: date
    light: str
    breaks: int
    exposure: Decimal
    carrier_amount: Decimal | None
    switch_rows: int


@dataclass(frozen=True, slots=True)
class OpenBreaks:
    """Number and exposure of the undecided breaks of one business date."""

    business_date: date
    break_count: int
    exposure: Decimal


@dataclass(frozen=True, slots=True)
class CauseSum:
    """Calls of a carrier's day with the same cause, detail and currency. Too much and too little are not netted.

    Attributes:
        detail: what explains the cause, such as ``60/60 instead of 1/1``; "" for nothing.
    """

    cause: str
    detail: str
    currency: str
    calls: int
    too_much: Decimal
    too_little: Decimal


@dataclass(frozen=True, slots=True)
class Break:
    """One break with both sides' records as delivered; the fields of a side without a record are None.

    Attributes:
        match_class: as in ``core.reconcile.MatchClass``.
        outcome_id: id of the break; a different amount, class or partner makes another break.
        exposure: amount that the carrier charges too much, in ``exposure_currency``; negative if it charges too little.
        agreed_rate: price of a minute by the rate card.
        expected_amount: what the carrier should charge; None if no price is agreed.
        detail: what explains the cause, such as ``60/60 instead of 1/1``.
        delta_ms: carrier's time minus the switch's after the clock offset is removed, milliseconds.
        found_at: time of the first reconciliation with this break.
        decision: newest decision; None if there is none, or if the break was opened again.
        decision_no: number of decisions so far, which is what a new decision expects.
        rule_id: rule that decided; None if a person did.
        credit_note: carrier's credit note that closed the break.
        assignee: person in charge.
        notes: all notes, in order.
    """

    account_id: str
    carrier: str
    business_date: date
    outcome_id: str
    match_class: str
    cause: str | None
    ambiguous: bool
    destination: str
    exposure: Decimal
    currency: str
    delta_ms: int | None
    agreed_rate: Decimal | None
    expected_amount: Decimal | None
    detail: str | None
    found_at: datetime
    call_started_at: datetime
    caller_id_name: str | None
    switch_record_id: str | None
    switch_call_id: str | None
    switch_caller: str | None
    switch_callee: str | None
    switch_started_at: datetime | None
    switch_answered_at: datetime | None
    switch_seconds: Decimal | None
    switch_amount: Decimal | None
    carrier_record_id: str | None
    carrier_call_id: str | None
    carrier_caller: str | None
    carrier_callee: str | None
    carrier_started_at: datetime | None
    carrier_answered_at: datetime | None
    carrier_seconds: Decimal | None
    carrier_amount: Decimal | None
    carrier_rate: Decimal | None
    carrier_currency: str | None
    carrier_file: str | None
    carrier_line: int | None
    decision: Decision | None
    decision_no: int
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None
    rule_id: str | None
    credit_note: str | None
    assignee: str | None
    notes: str | None

    @property
    def exposure_currency(self) -> str:
        """Currency of the exposure: that of the carrier's record, otherwise that of the day."""
        return self.carrier_currency or self.currency

    @property
    def state(self) -> str:
        """The decision, or ``open``."""
        return self.decision or "open"


def claims_of(breaks: Iterable[Break], *, undecided: bool = False) -> list[Break]:
    """The breaks that are claimed from the carrier: disputed, and with too much charged.

    Args:
        breaks: breaks of a carrier.
        undecided: whether breaks without a decision are claimed too.
    """
    states = {"disputed", *(("open",) if undecided else ())}
    return [
        item for item in breaks if item.state in states and item.exposure > 0 and item.match_class not in _NEVER_CLAIMED
    ]
