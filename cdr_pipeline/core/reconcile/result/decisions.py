"""Decisions about breaks: which breaks are meant, rules that decide, sums by decision, and when a day is settled."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from cdr_pipeline.core.reconcile.result.breaks import DECISIONS, Decision

# What a person may decide; ``open`` withdraws a decision.
Choice = Literal["accepted", "disputed", "credited", "open"]
CHOICES: Final[tuple[Choice, ...]] = (*DECISIONS, "open")
DayLight = Literal["green", "red", "settled"]


@dataclass(frozen=True, slots=True)
class BreakCriteria:
    """Selects breaks; a criterion that is empty or None covers all.

    Attributes:
        carrier: name of the carrier.
        classes: classes of the breaks.
        causes: causes of the breaks.
        destination: name of the destination.
        below: the amount at risk is less than this, too much or too little.
        at_least: at least this is charged too much.
        currency: currency of the amount at risk.
    """

    carrier: str | None = None
    classes: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    destination: str | None = None
    below: Decimal | None = None
    at_least: Decimal | None = None
    currency: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the criteria cover every break."""
        return self == BreakCriteria()

    def words(self) -> str:
        """The criteria for display."""
        parts = (
            ("carrier", self.carrier),
            ("class", ", ".join(self.classes)),
            ("cause", ", ".join(self.causes)),
            ("destination", self.destination),
            ("below", None if self.below is None else f"{self.below.normalize():f}"),
            ("at least", None if self.at_least is None else f"{self.at_least.normalize():f}"),
            ("in", self.currency),
        )
        return ", ".join(f"{name} {value}" for name, value in parts if value) or "all breaks"


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """A rule that decides breaks at every reconciliation, in the order of creation.

    Attributes:
        account_id: account that owns the calls.
        rule_id: id of the rule.
        criteria: breaks that it covers; a rule covers ``unpriced`` charges only if it names their class.
        decision: what it decides.
        reason, created_by, created_at: recorded with each of its decisions.
        ended_by, end_reason, ended_at: None while the rule is in force.
    """

    account_id: str
    rule_id: str
    criteria: BreakCriteria
    decision: Decision
    reason: str
    created_by: str
    created_at: datetime
    ended_by: str | None = None
    end_reason: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DecisionSum:
    """Breaks of a carrier's day by state and currency. Too much and too little are not netted."""

    carrier: str
    state: str
    currency: str
    breaks: int
    too_much: Decimal
    too_little: Decimal


def undecided(sums: Iterable[DecisionSum]) -> int:
    """Number of breaks without a decision."""
    return sum(item.breaks for item in sums if item.state == "open")


def day_light(light: str, *, breaks: int, open_breaks: int, unverified: bool) -> DayLight:
    """Verdict on a carrier's day after decisions.

    Args:
        light: verdict of the reconciliation, ``green`` or ``red``.
        breaks: number of breaks.
        open_breaks: number of breaks without a decision.
        unverified: whether lines cannot be read or charges are not verified at all; no decision about a break changes
            that.
    """
    if light != "red":
        return "green"
    return "settled" if breaks and not open_breaks and not unverified else "red"
