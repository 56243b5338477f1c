"""Breaks as people work with them: one with both sides' records, a carrier's days, what is still undecided."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

Decision = Literal["accepted", "disputed", "credited"]
DECISIONS: Final[tuple[Decision, ...]] = ("accepted", "disputed", "credited")


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
    """Breaks of one business date that nobody has decided about."""

    business_date: date
    break_count: int
    exposure: Decimal


@dataclass(frozen=True, slots=True)
class Break:
    """One break with both sides' records as they were delivered; a side that has none is None throughout.

    Attributes:
        match_class: as in ``core.reconcile.MatchClass``.
        outcome_id: its id; another amount, class or partner is another break.
        exposure: what the carrier charges too much, in ``exposure_currency``; below zero what it charges too little.
        delta_ms: carrier's time less the switch's, the clocks' offset taken out.
        found_at: when it was first found.
        decision: the latest, if any.
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
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None

    @property
    def exposure_currency(self) -> str:
        """Currency of the exposure: the record's own where it names one."""
        return self.carrier_currency or self.currency

    @property
    def state(self) -> str:
        """The decision, or ``open``."""
        return self.decision or "open"
