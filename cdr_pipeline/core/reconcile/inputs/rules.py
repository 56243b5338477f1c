"""Rules of a reconciliation: windows, tolerances, increments, prices and the weights of the cost model."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.inputs.rates import Increment, RateCard

CallerUse = Literal["required", "optional", "ignored"]


@dataclass(frozen=True, slots=True)
class Weights:
    """Costs of the differences of a pair, in thousandths of a nat (negative log-likelihood ratio).

    Attributes:
        cut: a pair with this cost or more is worse than two rows without partner.
        withheld: the caller is unknown on one side; 1,000 times the natural logarithm of the number of candidates is
            added.
        tail: upper limit of the cost of a time difference, without the next two.
        far: added to that limit in proportion to the time difference, up to this much at the edge of the window.
        late: added to that limit beyond the window, this much for each length of the fallback window.
        off_by_second: per second of difference of length, within tolerance.
        other_length: lengths differ by more than the tolerance.
        very_other_length: added to that for each doubling or halving of the length, at most one and a half of them.
        other_amount: amounts differ; without a rate card only.
        answered_once: only one of the two sides bills the call.
        doubtful: a pair of less weight than this is hardly more likely than two rows without partner; two rows of at
            least minus this are hardly less likely a pair.
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
    doubtful: int = 3_000


@dataclass(frozen=True, slots=True)
class Rules:
    """How one carrier is compared with the switch. Times and lengths are in milliseconds.

    Attributes:
        window_ms: largest difference between the two times of one call, after the clock offset is removed.
        fallback_window_ms: the same for rows that are still unpaired; pairs beyond ``window_ms`` are time mismatches.
        number_window_ms: the same for rows that agree in both numbers and length: wrong zone, or end instead of start.
        duration_tolerance_ms: largest difference of length that is within tolerance.
        amount_tolerance: largest difference of amount that is within tolerance, in the currency.
        increment: billing steps of the carrier; its file may contain billed or measured lengths.
        precision_ms: step of the carrier's clock: 60,000 for files of whole minutes; 0 to derive it from the records.
        currency: currency of amounts that name none.
        compare_amounts: without a rate card, whether the switch's amounts are what the carrier should charge. The
            prices of a switch are often those of its customers; then they do not apply to the carrier.
        rate_card: prices that the carrier should charge; with it, amounts of the switch are ignored.
        rounding_places: decimals of the carrier's amounts, if prices must be derived from them.
        free_destinations: names of destinations that cost nothing.
        offset_ms: carrier's clock minus the switch's, if known; None to estimate it from the calls.
        interval: half-open, on the switch's clock: only rows of that time are classified. Rows around it are passed in
            so that calls at the edge find their partner. A pair belongs to the time of the switch's row.
        carrier_covers, switch_covers: half-open interval that the side's records cover, if known; otherwise a side that
            ends long before the other is treated as truncated there.
        switch_plan, carrier_plan: number plan of a side; None if its numbers are in canonical form.
        caller: ``required`` to pair only calls with equal or withheld callers; ``ignored`` to leave callers out;
            ``optional`` to leave out callers that agree with the switch's on almost no call.
        digits: last digits of numbers that are compared; 0 for whole numbers.
        weights: costs of the differences of a pair.
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
    caller: CallerUse = "optional"
    digits: int = 0
    weights: Weights = field(default_factory=Weights)
