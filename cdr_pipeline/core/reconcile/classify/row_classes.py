"""Classes, causes and exposures of pairs and rows."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cdr_pipeline.core.reconcile.classify.causes import length_causes, money_causes
from cdr_pipeline.core.reconcile.classify.classes import Cause, MatchClass, code_of
from cdr_pipeline.core.reconcile.classify.coverage import outside_coverage
from cdr_pipeline.core.reconcile.classify.money import MoneyGap, money_gap
from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Rows
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.match.lengths import LengthGap, length_gap
from cdr_pipeline.core.reconcile.match.matching import Matches
from cdr_pipeline.core.reconcile.match.parts import Parts
from cdr_pipeline.core.reconcile.match.passes import Pass
from cdr_pipeline.core.reconcile.result.reconciled import DETAIL_TYPE

Codes = npt.NDArray[np.int8]
_NONE: Final = -1


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """Classification of the pairs, one value per pair.

    Attributes:
        classes: codes of the classes.
        causes: codes of the causes, -1 for none.
        delta_ms: carrier's start minus the switch's after the clock offset is removed, milliseconds.
        duration_difference_ms: ``LengthGap.difference_ms``.
        amount_difference: charge minus expected amount, units of 1e-8.
        amount_known: whether there is an amount difference.
        exposure: amount that the carrier charges too much, or that cannot be verified, units of 1e-8.
        expected: amount that the carrier should charge, units of 1e-8.
        expected_known: whether there is an agreed price or a price of the switch.
        rates: ``RATE_TYPE``, agreed price of a minute by the rate card.
        details: ``DETAIL_TYPE``, what explains the causes.
    """

    classes: Codes
    causes: Codes
    delta_ms: Integers
    duration_difference_ms: Integers
    amount_difference: Integers
    amount_known: Flags
    exposure: Integers
    expected: Integers
    expected_known: Flags
    rates: pl.Series
    details: pl.Series


def pair_outcome(comparison: Comparison, matches: Matches, other_caller: Flags, parts: Parts) -> PairOutcome:
    """Classifies pairs by fixed precedence: the pass that paired them, then length and money.

    Args:
        comparison: the two sides.
        matches: pairs of their rows.
        other_caller: pairs whose callers differ and were not compared.
        parts: records that were joined to one call.
    """
    switch, carrier, rules = comparison.switch, comparison.carrier, comparison.rules
    rows_a, rows_b = matches.switch, matches.carrier
    delta = comparison.carrier_start[rows_b] - switch.start_ms[rows_a]
    lengths = switch.duration_ms[rows_a], carrier.duration_ms[rows_b]
    gap = length_gap(*lengths, *comparison.tariff.steps(rows_a), rules.duration_tolerance_ms)
    money = money_gap(comparison, rows_a, rows_b, gap)
    ringing = _is_ringing_billed(comparison, rows_a, rows_b, gap)
    if switch.invited_ms is not None:
        delta = np.where(ringing, comparison.carrier_start[rows_b] - switch.invited_ms[rows_a], delta)
    time_wrong = (matches.pass_codes == Pass.ZONE) | (matches.pass_codes == Pass.START_OR_END)
    # The fallback pass also pairs rows near in time that had too many candidates before; their time is not a break.
    time_wrong |= (matches.pass_codes == Pass.CALL_ID) & (np.abs(delta) > rules.window_ms)
    time_wrong |= (matches.pass_codes == Pass.FALLBACK) & (np.abs(delta) > rules.window_ms + comparison.clock.slack_ms)
    one_sided = switch.billable[rows_a] != carrier.billable[rows_b]
    cost_wrong, length_wrong = ~money.within, ~gap.within
    classes = np.full(len(rows_a), code_of(MatchClass.MATCHED), np.int8)
    for applies, item in (
        (~(gap.exact & money.exact), MatchClass.MATCHED_TOL),
        (length_wrong, MatchClass.DURATION_MISMATCH),
        (cost_wrong, MatchClass.COST_MISMATCH),
        (cost_wrong & length_wrong, MatchClass.BOTH_MISMATCH),
        (money.unpriced, MatchClass.UNPRICED),
        (time_wrong, MatchClass.TIME_MISMATCH),
        (one_sided, MatchClass.ANSWER_MISMATCH),
        (matches.pass_codes == Pass.NUMBER, MatchClass.NUMBER_ONLY),
    ):
        classes[applies] = code_of(item)
    causes, details = _causes(comparison, matches, money, (length_wrong, one_sided, time_wrong))
    named = ringing & ~one_sided
    causes[named] = code_of(Cause.RINGING)
    details[named] = ""
    steps = length_causes(comparison, rows_a, rows_b, ~gap.exact & ~one_sided & ~ringing & ~money.unpriced, gap.within)
    if steps is not None:
        causes[steps.explained], details[steps.explained] = code_of(Cause.INCREMENT), steps.text
    for row, text in _notes(matches, other_caller, parts).items():
        details[row] = details[row] or text
    broken = cost_wrong | length_wrong
    exposure = np.where(broken & ~one_sided, money.difference, 0)
    exposure = np.where(money.foreign, carrier.amount[rows_b], exposure)
    exposure = np.where(money.unpriced, carrier.amount[rows_b], exposure)
    exposure = np.where(one_sided & carrier.billable[rows_b], carrier.amount[rows_b], exposure)
    amount_known = money.comparable & ~money.foreign & ~one_sided
    return PairOutcome(
        classes,
        causes,
        delta,
        gap.difference_ms,
        money.difference,
        amount_known,
        exposure,
        np.where(one_sided, 0, money.expected),
        money.agreed & ~money.foreign,
        comparison.tariff.rate_texts(rows_a),
        _details_of(details),
    )


def _details_of(details: npt.NDArray[np.object_]) -> pl.Series:
    """``DETAIL_TYPE``; few pairs have a detail."""
    named = np.flatnonzero(details != "")
    texts = pl.Series([None], dtype=pl.String).new_from_index(0, len(details))
    return texts.scatter(named, pl.Series(details[named].tolist(), dtype=pl.String)).cast(DETAIL_TYPE)


def _notes(matches: Matches, other_caller: Flags, parts: Parts) -> dict[int, str]:
    """Notes on pairs, by their index."""
    notes = dict.fromkeys(np.flatnonzero(other_caller).tolist(), "the caller differs")
    if parts.sizes:
        rows = np.fromiter(parts.sizes, np.int32)
        for pair in np.flatnonzero(np.isin(matches.carrier, rows)).tolist():
            notes[pair] = f"{parts.sizes[int(matches.carrier[pair])]} records of one call"
    return notes


def _is_ringing_billed(comparison: Comparison, rows_a: Rows, rows_b: Rows, gap: LengthGap) -> Flags:
    """Pairs whose length and start are those from the INVITE on."""
    switch, rules = comparison.switch, comparison.rules
    if switch.ringing_ms is None or switch.invited_ms is None:
        return np.zeros(len(rows_a), np.bool_)
    rings = switch.ringing_ms[rows_a]
    lengths = switch.duration_ms[rows_a] + rings, comparison.carrier.duration_ms[rows_b]
    whole = length_gap(*lengths, *comparison.tariff.steps(rows_a), rules.duration_tolerance_ms)
    start = comparison.carrier_start[rows_b]
    from_invite, from_answer = (np.abs(start - times[rows_a]) for times in (switch.invited_ms, switch.start_ms))
    near = (from_invite <= rules.window_ms) & (from_invite <= from_answer)
    return ~gap.within & whole.within & near & (rings > rules.duration_tolerance_ms)


def _causes(
    comparison: Comparison, matches: Matches, money: MoneyGap, faults: tuple[Flags, Flags, Flags]
) -> tuple[Codes, npt.NDArray[np.object_]]:
    """Code of the cause of each pair, and what explains it."""
    length_wrong, one_sided, time_wrong = faults
    causes = np.full(len(matches.switch), _NONE, np.int8)
    details = np.full(len(matches.switch), "", np.object_)
    wrong = np.flatnonzero(~money.within & ~money.foreign & ~one_sided)
    causes[time_wrong & (matches.pass_codes != Pass.ZONE) & (matches.pass_codes != Pass.START_OR_END)] = code_of(
        Cause.CLOCK
    )
    causes[length_wrong & ~one_sided] = code_of(Cause.DURATION)
    named = money_causes(comparison, matches.switch[wrong], matches.carrier[wrong])
    causes[wrong] = np.where(named.codes == _NONE, causes[wrong], named.codes)
    details[wrong] = named.details
    causes[money.foreign & ~one_sided] = code_of(Cause.CURRENCY)
    causes[money.no_amount & ~one_sided] = code_of(Cause.NO_AMOUNT)
    causes[money.no_price & ~one_sided] = code_of(Cause.NO_PRICE)
    causes[matches.pass_codes == Pass.ZONE] = code_of(Cause.ZONE)
    causes[matches.pass_codes == Pass.START_OR_END] = code_of(Cause.START_OR_END)
    return causes, details


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """One value per row of a side.

    Attributes:
        classes: codes of the classes.
        exposure: units of 1e-8.
        pair: index of the pair, -1 for none.
        ambiguous: whether the pair is ambiguous, or the row without partner may belong to one of the other side.
    """

    classes: Codes
    exposure: Integers
    pair: npt.NDArray[np.int32]
    ambiguous: Flags


def row_outcomes(
    comparison: Comparison, matches: Matches, pairs: PairOutcome, parts: Parts
) -> tuple[RowOutcome, RowOutcome]:
    """Classes of the rows of both sides: the class of their pair, or the reason why they have none."""
    switch, carrier, carrier_start, rules = (
        comparison.switch,
        comparison.carrier,
        comparison.carrier_start,
        comparison.rules,
    )
    reach = rules.fallback_window_ms + comparison.clock.precision_ms
    switch_times, carrier_times = switch.start_ms[switch.billable], carrier_start[carrier.billable]
    pair_a, pair_b = _pair_of(matches.switch, switch.count), _pair_of(matches.carrier, carrier.count)
    beyond_a = outside_coverage(
        switch.start_ms, switch.billable & (pair_a < 0), carrier_times, rules.carrier_covers, reach
    )
    beyond_b = outside_coverage(
        carrier_start, carrier.billable & (pair_b < 0), switch_times, rules.switch_covers, reach
    )
    a = _classes(switch, pair_a, pairs.classes, code_of(MatchClass.MISSING_AT_CARRIER))
    b = _classes(carrier, pair_b, pairs.classes, code_of(MatchClass.MISSING_IN_SWITCH))
    for classes, pair, repeated, beyond, repeats in (
        (a, pair_a, matches.repeated_a, beyond_a, MatchClass.DUP_A),
        (b, pair_b, matches.repeated_b, beyond_b, MatchClass.DUP_B),
    ):
        classes[repeated & (pair < 0)] = code_of(repeats)
        classes[beyond] = code_of(MatchClass.OUT_OF_INTERVAL)
    further = np.flatnonzero(parts.head >= 0)
    heads = parts.head[further]
    # A further record of a call agrees with it; what is wrong with the call is counted once, in its first record.
    b[further] = np.where(pair_b[heads] >= 0, code_of(MatchClass.MATCHED), b[heads])
    pair_b[further] = pair_b[heads]
    b[parts.credited] = code_of(MatchClass.CREDITED)
    b[parts.without_call] = code_of(MatchClass.OTHER_CHARGE)
    risk_a = np.where(a == code_of(MatchClass.DUP_A), switch.amount, 0)
    charged = (b == code_of(MatchClass.DUP_B)) | (b == code_of(MatchClass.MISSING_IN_SWITCH))
    risk_b = np.where(charged, carrier.amount, 0)
    risk_b[parts.without_call] = np.maximum(carrier.amount[parts.without_call], 0)
    risk_b[matches.carrier] = pairs.exposure
    unsure_a = _ambiguous(matches, pair_a, matches.undecided_a & (a == code_of(MatchClass.MISSING_AT_CARRIER)))
    unsure_b = _ambiguous(matches, pair_b, matches.undecided_b & (b == code_of(MatchClass.MISSING_IN_SWITCH)))
    return RowOutcome(a, risk_a, pair_a, unsure_a), RowOutcome(b, risk_b, pair_b, unsure_b)


def _ambiguous(matches: Matches, pair: npt.NDArray[np.int32], undecided: Flags) -> Flags:
    ambiguous = undecided.copy()
    paired = np.flatnonzero(pair >= 0)
    ambiguous[paired] = matches.ambiguous[pair[paired]]
    return ambiguous


def _pair_of(rows: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int32]:
    pair = np.full(count, _NONE, np.int32)
    pair[rows] = np.arange(len(rows), dtype=np.int32)
    return pair


def _classes(calls: Calls, pair: npt.NDArray[np.int32], of_pairs: Codes, missing: int) -> Codes:
    classes = np.full(calls.count, missing, np.int8)
    classes[~calls.billable] = code_of(MatchClass.UNBILLABLE)
    is_paired = pair >= 0
    classes[is_paired] = of_pairs[pair[is_paired]]
    return classes
