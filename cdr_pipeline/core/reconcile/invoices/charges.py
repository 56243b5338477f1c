"""Charges of a carrier by load, day and destination, and the day on which each counts.

A call counts once: on its own day or, if the carrier delivered it after it had already delivered later days, on the
last day of the file that first had it. Such a call is billed late.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from cdr_pipeline.core.reconcile.classify.classes import MatchClass

# Classes whose whole charge is a part of its own.
_OTHER: Final = frozenset({MatchClass.OTHER_CHARGE.value})
_UNPRICED: Final = frozenset({MatchClass.UNPRICED.value})
_NOT_COMPARED: Final = frozenset({MatchClass.OUT_OF_INTERVAL.value, MatchClass.UNBILLABLE.value})


@dataclass(frozen=True, slots=True)
class Charge:
    """Sum of calls that are alike in load, day, destination, direction, rate, class, decision, note and currency.

    Attributes:
        load_id, loaded_at: the load that delivered the carrier's records; None for legs without a record.
        day: day of the calls in the carrier's zone.
        destination: our name of the destination.
        carrier_destination: the carrier's name of the destination in its records, "" if they have none.
        direction: outbound, inbound or "" if unknown.
        rate: the carrier's price of a minute, if its records state it.
        match_class: as in ``MatchClass``.
        state: latest decision about the breaks, or ``open``.
        credit_note: the carrier's credit note that closed the breaks; "" for none.
        currency: currency of all amounts.
        legs, records: number of legs of the switch and of records of the carrier.
        charged: sum of the carrier's records.
        agreed: sum of our legs at the agreed prices, of ``priced_legs`` legs.
        too_much, too_little: what breaks are charged too much and too little; never netted.
        customer_price: what customers pay for the calls that the carrier charges, in the same currency.
        cost_of_priced: what the carrier charges for calls with a customer's price.
        credits: sum of the records with negative amounts, as a positive amount; ``charged`` contains them.
    """

    account_id: str
    load_id: str | None
    loaded_at: datetime | None
    day: date
    destination: str
    carrier_destination: str
    direction: str
    rate: Decimal | None
    match_class: str
    state: str
    credit_note: str
    currency: str
    legs: int
    records: int
    leg_seconds: Decimal
    record_seconds: Decimal
    charged: Decimal
    agreed: Decimal
    priced_legs: int
    too_much: Decimal
    too_little: Decimal
    customer_price: Decimal
    cost_of_priced: Decimal
    credits: Decimal


@dataclass(frozen=True, slots=True)
class ChargeParts:
    """Parts of what a carrier charges in one currency; ``charged`` is the sum of all but the last two.

    Attributes:
        agreed: charges that are agreed, or lower than agreed.
        accepted: what is charged too much and was accepted.
        other_charges: fees and credits without a call.
        disputed: what is charged too much and was disputed.
        credited: what is charged too much and the carrier has credited.
        undecided: what is charged too much, without a decision.
        unpriced: charges without an agreed price.
        not_compared: charges of calls that the switch's records do not cover, or that are not billable.
        too_little: what is charged too little; not deducted from anything.
        not_charged: agreed price of calls that the carrier has not charged.
    """

    agreed: Decimal = Decimal(0)
    accepted: Decimal = Decimal(0)
    other_charges: Decimal = Decimal(0)
    disputed: Decimal = Decimal(0)
    credited: Decimal = Decimal(0)
    undecided: Decimal = Decimal(0)
    unpriced: Decimal = Decimal(0)
    not_compared: Decimal = Decimal(0)
    too_little: Decimal = Decimal(0)
    not_charged: Decimal = Decimal(0)

    @property
    def charged(self) -> Decimal:
        """Sum of the carrier's records."""
        owed = self.agreed + self.accepted + self.other_charges
        withheld = self.disputed + self.credited + self.undecided + self.unpriced + self.not_compared
        return owed + withheld

    @property
    def owed(self) -> Decimal:
        """What its records say that we owe: agreed, accepted, and other charges."""
        return self.agreed + self.accepted + self.other_charges


def parts_of(charges: Sequence[Charge]) -> ChargeParts:
    """Parts of charges in one currency."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for charge in charges:
        part, amount = _disputable(charge)
        sums[part] += amount
        sums["agreed"] += charge.charged - amount
        kind = charge.match_class
        if kind not in _OTHER | _UNPRICED | _NOT_COMPARED:
            sums["too_little"] += charge.too_little
        if kind == MatchClass.MISSING_AT_CARRIER.value:
            sums["not_charged"] += charge.agreed
    return ChargeParts(**sums)


def _disputable(charge: Charge) -> tuple[str, Decimal]:
    """The part of a charge that is not simply agreed, and its amount."""
    decided = {"accepted": "accepted", "disputed": "disputed", "credited": "credited"}.get(charge.state)
    if charge.match_class in _OTHER:
        return (decided or "other_charges", charge.charged)
    if charge.match_class in _UNPRICED:
        return (decided or "unpriced", charge.charged)
    if charge.match_class in _NOT_COMPARED:
        return ("not_compared", charge.charged)
    return (decided or "undecided", charge.too_much)


def with_billed_days(charges: Sequence[Charge]) -> list[tuple[Charge, date]]:
    """Charges, each with the day on which it counts.

    A call counts on its own day, unless all of this is so: an earlier load had reached a later day, and the load that
    delivered the call went beyond that day. Then the carrier had moved on, and bills the call with its newest file.
    """
    newest: dict[tuple[str, str | None], date] = {}
    loaded: dict[tuple[str, str | None], datetime] = {}
    for charge in charges:
        if charge.loaded_at is not None:
            load = (charge.account_id, charge.load_id)
            newest[load] = max(newest.get(load, charge.day), charge.day)
            loaded[load] = charge.loaded_at
    before: dict[tuple[str, str | None], date] = {}
    reached: dict[str, date] = {}
    for load in sorted(newest, key=lambda item: (loaded[item], item[0], item[1] or "")):
        account_id = load[0]
        if account_id in reached:
            before[load] = reached[account_id]
        reached[account_id] = max(reached.get(account_id, newest[load]), newest[load])
    dated: list[tuple[Charge, date]] = []
    for charge in charges:
        load = (charge.account_id, charge.load_id)
        is_late = load in before and charge.day < before[load] < newest[load]
        dated.append((charge, newest[load] if is_late else charge.day))
    return dated
