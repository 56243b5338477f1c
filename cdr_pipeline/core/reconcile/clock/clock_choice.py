"""Which of a call's times the carrier writes: that of the answer, or that of the start."""

import polars as pl

from cdr_pipeline.core.reconcile.clock.clock import clock_between
from cdr_pipeline.core.reconcile.inputs.calls import currencies_of, read_calls
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.sides import carrier_side, switch_side, with_number_endings


def choose_start_clock(
    switch: pl.DataFrame, carrier: pl.DataFrame, rules: Rules, *, by_last_digits: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The two sides by the switch's times that fit the carrier's best.

    A carrier that knows when a call was answered is compared by that. One time alone may be the answer or the start:
    the wrong one is off by as long as each phone rang, so the one with the smaller spread is right.

    Args:
        switch: canonical columns, one row per billable leg.
        carrier: canonical columns, one row per record.
        rules: number plans and the known offset.
        by_last_digits: numbers are compared by what all ways to write them end with, where no number plan is known.
    """
    written = with_number_endings if by_last_digits else _as_it_is
    theirs = written(carrier_side(carrier))
    by_answer = written(switch_side(switch))
    if carrier["answered_at"].null_count() < carrier.height:
        return by_answer, theirs
    by_start = written(switch_side(switch, clock="start"))
    clocks = []
    for ours in (by_answer, by_start):
        lazy = ours.lazy(), theirs.lazy()
        codes = currencies_of(lazy, rules)
        clocks.append(
            clock_between(
                read_calls("switch", lazy[0], codes, rules), read_calls("carrier", lazy[1], codes, rules), rules
            )
        )
    answer, start = clocks
    told = start.status != "offset_unknown"
    better = told and (answer.status == "offset_unknown" or start.spread_ms < answer.spread_ms)
    return (by_start if better else by_answer), theirs


def _as_it_is(side: pl.DataFrame) -> pl.DataFrame:
    return side
