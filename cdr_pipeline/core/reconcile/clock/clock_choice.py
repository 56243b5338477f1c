"""Choice of the switch's time to compare: does the carrier record the answer or the start of a call?"""

import polars as pl

from cdr_pipeline.core.reconcile.clock.clock import clock_between
from cdr_pipeline.core.reconcile.inputs.read_sides import read_sides
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.sides import NumberRules, carrier_side, switch_side, with_number_endings


def choose_start_clock(
    switch: pl.DataFrame,
    carrier: pl.DataFrame,
    rules: Rules,
    *,
    by_last_digits: bool = False,
    numbers: NumberRules | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both sides, with those times of the switch that fit the carrier's best.

    If the carrier records answer times, these are compared. If it records one time only, that may be the answer or the
    start. The wrong one differs by the ringing time of each call, so the one with the smaller spread is right.

    Args:
        switch: canonical columns, one row per billable leg.
        carrier: canonical columns, one row per record.
        rules: number plans and the known offset.
        by_last_digits: compare numbers by their last digits, for sides without a number plan.
        numbers: how the carrier's numbers are rewritten.
    """
    with_comparable_numbers = with_number_endings if by_last_digits else _unchanged
    theirs = with_comparable_numbers(carrier_side(carrier, numbers=numbers))
    by_answer = with_comparable_numbers(switch_side(switch, ringing=True))
    if carrier["answered_at"].null_count() < carrier.height:
        return by_answer, theirs
    by_start = with_comparable_numbers(switch_side(switch, clock="start", ringing=True))
    clocks = []
    for ours in (by_answer, by_start):
        sides = read_sides(ours.lazy(), theirs.lazy(), rules)
        clocks.append(clock_between(sides.switch, sides.carrier, rules))
    answer, start = clocks
    has_offset = start.status != "offset_unknown"
    start_fits_better = has_offset and (answer.status == "offset_unknown" or start.spread_ms < answer.spread_ms)
    return (by_start if start_fits_better else by_answer), theirs


def _unchanged(side: pl.DataFrame) -> pl.DataFrame:
    return side
