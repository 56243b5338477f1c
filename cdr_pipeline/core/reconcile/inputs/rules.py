"""What a reconciliation accepts: windows, tolerances, increments, prices. One set a carrier."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.inputs.rates import Increment, RateCard


@dataclass(frozen=True, slots=True)
class Weights:
    """Cost of what speaks against a pair, in thousandths of a nat (negative log-likelihood ratio).

    Attributes:
        cut: a pair that costs as much or more is worse than two rows without partner.
        withheld: the caller is not known on one side; the logarithm of the number of candidates comes on top.
        tail: a time outside the clock's usual spread.
        far: more, at the edge of the window.
        late: and more, at the edge of the fallback window.
        off_by_second: per second of difference in length inside the tolerance.
        other_length: lengths beyond the tolerance.
        very_other_length: more, for each doubling or halving, up to one and a half.
        other_amount: amounts that differ although lengths agree.
        answered_once: one side says that nobody answered.
    """

    cut: int = 12_000
    withheld: int = 1_500
    tail: int = 3_000
    far: int = 4_000
    late: int = 1_500
    off_by_second: int = 800
    other_length: int = 5_500
    very_other_length: int = 1_000
    other_amount: int = 500
    answered_once: int = 2_500


@dataclass(frozen=True, slots=True)
class Rules:
    """How one carrier is compared with the switch. Milliseconds throughout.

    Attributes:
        window_ms: how far apart the two clocks may see one call, after the offset is taken out.
        fallback_window_ms: the same for what found no partner; such pairs are time mismatches.
        number_window_ms: the same for rows that agree in both numbers and length: a wrong zone, the end for the start.
        duration_tolerance_ms: lengths that differ by up to so much agree within tolerance.
        amount_tolerance: the same for money.
        increment: the carrier's billing steps; its file may hold billed or measured lengths.
        precision_ms: step of the carrier's clock: 60,000 for files of whole minutes; 0 to find out.
        currency: of amounts that name none.
        compare_amounts: without a rate card, whether the switch's amounts are what the carrier should charge. The
            prices of a switch are often those to customers; then they prove nothing about the carrier.
        rate_card: what it should charge; then amounts of the switch are not looked at.
        rounding_places: decimals of the carrier's amounts, where prices have to be derived from them.
        free_destinations: names of destinations that cost nothing.
        offset_ms: carrier's clock less the switch's where it is known; found from the calls when None.
        interval: half-open, the switch's clock: only rows of that time are classified; those around it are there so
            that calls at the edge find their partner. A pair belongs to the time of the switch's row.
        carrier_covers, switch_covers: half-open, the time that the side's records cover where that is known; else a
            side that ends long before the other is taken to be cut short there.
        switch_plan, carrier_plan: how a side writes numbers; None when they are in canonical form.
        weights: of a pair's cost.
    """

    window_ms: int = 30_000
    fallback_window_ms: int = 120_000
    number_window_ms: int = 26 * 3_600_000
    duration_tolerance_ms: int = 2_000
    amount_tolerance: Decimal = Decimal(0)
    increment: Increment = field(default_factory=Increment)
    precision_ms: int = 0
    currency: str = ""
    compare_amounts: bool = True
    rate_card: RateCard | None = None
    rounding_places: int = 4
    free_destinations: frozenset[str] = frozenset()
    offset_ms: int | None = None
    interval: tuple[datetime, datetime] | None = None
    carrier_covers: tuple[datetime, datetime] | None = None
    switch_covers: tuple[datetime, datetime] | None = None
    switch_plan: NumberPlan | None = None
    carrier_plan: NumberPlan | None = None
    weights: Weights = field(default_factory=Weights)
