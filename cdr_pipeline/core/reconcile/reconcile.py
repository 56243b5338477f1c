"""Reconciles two sides: the steps from reading to balanced totals, in order."""

from dataclasses import replace

import numpy as np
import polars as pl

from cdr_pipeline.core.reconcile.classify.row_classes import RowOutcome, pair_outcome, row_outcomes
from cdr_pipeline.core.reconcile.clock.clock import clock_between
from cdr_pipeline.core.reconcile.clock.two_clocks import on_the_switch
from cdr_pipeline.core.reconcile.inputs.calls import Flags
from cdr_pipeline.core.reconcile.inputs.columns import require_side
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.read_sides import read_sides
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.tariff import tariff_of
from cdr_pipeline.core.reconcile.match.matching import Matches, match
from cdr_pipeline.core.reconcile.match.parts import joined_parts
from cdr_pipeline.core.reconcile.match.passes import Pass
from cdr_pipeline.core.reconcile.result.frames import (
    SideOutcome,
    accruals_frame,
    destinations,
    offset_frame,
    pairs_frame,
    parts_frame,
    rows_frame,
    shared_destinations,
    with_prefixes,
)
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled
from cdr_pipeline.core.reconcile.result.totals import TOTAL_KEY, require_balance, totals_of


def reconcile(switch: pl.DataFrame | pl.LazyFrame, carrier: pl.DataFrame | pl.LazyFrame, rules: Rules) -> Reconciled:
    """Matches the switch's legs with the carrier's records and classifies every row of both.

    A LazyFrame over files is read column by column and never entirely in memory.

    Args:
        switch: ``SIDE_SCHEMA``, any order.
        carrier: ``SIDE_SCHEMA``, any order.
        rules: windows, tolerances and prices of the carrier.

    Raises:
        InvalidSide: a side is not in ``SIDE_SCHEMA``, or a row id repeats.
        UnbalancedReconciliation: the totals of the result differ from those of the input.
    """
    ours, theirs = switch.lazy(), carrier.lazy()
    require_side(ours, "switch")
    require_side(theirs, "carrier")
    sides_read = read_sides(ours, theirs, rules)
    a, b, currencies = sides_read.switch, sides_read.carrier, sides_read.currencies
    clock = clock_between(a, b, rules)
    carrier_start = on_the_switch(a, b, clock, rules)
    tariff_a = tariff_of(a, a.start_ms, rules, currencies)
    tariff_b = tariff_of(b, carrier_start, rules, currencies)
    comparison = Comparison(a, b, carrier_start, clock, tariff_a, rules)
    parts = joined_parts(comparison)
    comparison = replace(comparison, carrier=parts.carrier)
    matches = match(comparison)
    other_caller = (a.caller_check[matches.switch] != b.caller_check[matches.carrier]) & (
        sides_read.other_caller[matches.carrier] | (matches.pass_codes == Pass.CALLED)
    )
    findings = sides_read.findings
    del sides_read
    # Ten million calls per side take gigabytes: arrays are released as soon as they are not needed.
    a, b = a.without_numbers(), b.without_numbers()
    comparison = replace(comparison, switch=a, carrier=parts.carrier.without_numbers())
    outcome = pair_outcome(comparison, matches, other_caller, parts)
    rows_a, rows_b = row_outcomes(comparison, matches, outcome, parts)
    counted_a, counted_b = _counted(comparison, rows_b, matches)
    names_a, names_b = destinations(a, tariff_a), destinations(b, tariff_b)
    named_a = names_a.zip_with(
        names_a.is_not_null(), shared_destinations(names_a, names_b, matches.switch, matches.carrier)
    )
    named_a = with_prefixes(named_a, a, rows_a)
    named_b = shared_destinations(names_b, named_a, matches.carrier, matches.switch)
    ids_a, ids_b = a.column("row_id"), b.column("row_id")
    pairs = pairs_frame(ids_a, ids_b, matches, outcome, counted_a)
    further = parts_frame(ids_a, ids_b, matches, rows_b, parts)
    narrowed = matches.narrowed
    sides = [
        SideOutcome(b.lengths_and_amounts(), ids_b, rows_b, tariff_b, named_b, counted_b),
        SideOutcome(a.lengths_and_amounts(), ids_a, rows_a, tariff_a, named_a, counted_a),
    ]
    accruals = accruals_frame(sides[-1], currencies, compare_amounts=rules.compare_amounts)
    del comparison, matches, outcome, parts, a, b, ids_a, ids_b, rows_a, rows_b, tariff_a, tariff_b
    del names_a, names_b, named_a, named_b, counted_a, counted_b
    rows: list[pl.DataFrame] = []
    totals: list[pl.DataFrame] = []
    while sides:
        side = sides.pop()
        rows.append(rows_frame(side, currencies))
        totals.append(totals_of(rows[-1]))
        require_balance(totals[-1], side.calls, side.counted)
        del side
    all_totals = pl.concat(totals).sort(TOTAL_KEY)
    return Reconciled(pairs, pl.concat(rows), all_totals, offset_frame(clock), accruals, further, narrowed, findings)


def _counted(comparison: Comparison, of_carrier: RowOutcome, matches: Matches) -> tuple[Flags, Flags]:
    """Rows of the rules' interval on either side; a pair belongs to the time of the switch's row."""
    switch, carrier_start, rules = comparison.switch, comparison.carrier_start, comparison.rules
    if rules.interval is None:
        return np.ones(switch.count, np.bool_), np.ones(len(carrier_start), np.bool_)
    first, end = (round(moment.timestamp() * 1_000) for moment in rules.interval)
    inside = (switch.start_ms >= first) & (switch.start_ms < end)
    times = carrier_start.copy()
    paired = of_carrier.pair >= 0
    times[paired] = switch.start_ms[matches.switch[of_carrier.pair[paired]]]
    return inside, (times >= first) & (times < end)
