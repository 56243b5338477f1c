"""The passes of matching, the most certain first. Each pass pairs rows that earlier passes left unpaired."""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Rows, is_among
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.match.assignment import Pairing, assign
from cdr_pipeline.core.reconcile.match.call_ids import paired_by_call_id
from cdr_pipeline.core.reconcile.match.candidates import Edges, candidates
from cdr_pipeline.core.reconcile.match.cost import pair_weights, time_cost, withheld_cost
from cdr_pipeline.core.reconcile.match.duplicates import later_twins, repeats, twin_keys
from cdr_pipeline.core.reconcile.match.lengths import length_gap
from cdr_pipeline.core.reconcile.match.moved import moved_edges
from cdr_pipeline.core.reconcile.match.passes import Pass
from cdr_pipeline.core.reconcile.match.written_steps import written_steps

_ROW_BITS: Final = 32
# How near calls with different callers must be, how long they must last, and how many calls their number may have.
_NEAR_MS: Final = 5_000
_SHORT_MS: Final = 10_000
_MOST_CALLS: Final = 3


@dataclass(frozen=True, slots=True)
class Matches:
    """Result of matching: pairs, one value per pair, and duplicates.

    Attributes:
        switch: row of the switch.
        carrier: row of the carrier.
        ambiguous: whether another pairing is as good, or two calls are hardly less likely than one.
        pass_codes: ``Pass`` that paired the rows.
        repeated_a: unpaired rows of the switch that repeat another row.
        repeated_b: unpaired rows of the carrier that repeat another row.
        undecided_a: unpaired rows of the switch that a row of the carrier may belong to.
        undecided_b: unpaired rows of the carrier that may belong to a row of the switch.
        narrowed: number of rows with more candidates than were examined.
    """

    switch: Rows
    carrier: Rows
    ambiguous: Flags
    pass_codes: npt.NDArray[np.int8]
    repeated_a: Flags
    repeated_b: Flags
    undecided_a: Flags
    undecided_b: Flags
    narrowed: int


@dataclass(slots=True)
class _MatchState:
    """Pairs so far, and the rows of either side that the next pass may pair."""

    free_a: Flags
    free_b: Flags
    parts: list[tuple[Pairing, npt.NDArray[np.int8]]] = field(
        default_factory=list[tuple[Pairing, npt.NDArray[np.int8]]]
    )
    narrowed: int = 0

    def rows(self) -> tuple[Flags, Flags]:
        """Paired rows of either side."""
        paired_a, paired_b = np.zeros_like(self.free_a), np.zeros_like(self.free_b)
        for paired, _ in self.parts:
            paired_a[paired.switch] = True
            paired_b[paired.carrier] = True
        return paired_a, paired_b

    def add(self, paired: Pairing, pass_codes: npt.NDArray[np.int8] | Pass) -> None:
        self.free_a[paired.switch] = False
        self.free_b[paired.carrier] = False
        codes = np.full(len(paired.switch), pass_codes, np.int8) if isinstance(pass_codes, Pass) else pass_codes
        self.parts.append((paired, codes))


def match(comparison: Comparison) -> Matches:
    """Pairs the rows of two sides; no row is in two pairs."""
    switch, carrier, rules = comparison.switch, comparison.carrier, comparison.rules
    keys_a, keys_b = twin_keys(switch), twin_keys(carrier)
    later_a, twins_a = later_twins(keys_a)
    later_b, twins_b = later_twins(keys_b)
    state = _MatchState(np.ones(switch.count, np.bool_), np.ones(carrier.count, np.bool_))
    rows_a, rows_b = paired_by_call_id(comparison, ~later_a, ~later_b)
    state.add(Pairing(rows_a, rows_b, np.zeros(len(rows_a), np.bool_)), Pass.CALL_ID)
    state.free_a &= switch.billable
    state.free_b &= carrier.billable

    def near(window_ms: int) -> Edges:
        edges = candidates(comparison, window_ms, state.free_a, state.free_b)
        state.narrowed += edges.narrowed
        return edges

    def best(edges: Edges) -> Pairing:
        weight, doubtful = pair_weights(comparison, edges), rules.weights.doubtful
        times = switch.start_ms, comparison.carrier_start
        return assign(edges.switch, edges.carrier, weight, *times, doubtful=doubtful)

    slack = comparison.clock.slack_ms
    edges = near(rules.window_ms + slack)
    comparison = replace(comparison, written_steps=written_steps(comparison, edges))
    state.add(best(edges), Pass.WINDOW)
    del edges
    if switch.ringing_ms is not None:
        state.add(_from_invite(comparison, state), Pass.RINGING)
    # Equal rows without any partner are not duplicates yet: the wider window may find a partner for each.
    state.free_a &= ~repeats(keys_a, twins_a, ~state.free_a, none_paired=False)
    state.free_b &= ~repeats(keys_b, twins_b, ~state.free_b, none_paired=False)
    state.add(best(near(rules.fallback_window_ms + slack)), Pass.FALLBACK)
    paired_a, paired_b = state.rows()
    repeated_a = repeats(keys_a, twins_a, paired_a | ~switch.billable, none_paired=True)
    repeated_b = repeats(keys_b, twins_b, paired_b | ~carrier.billable, none_paired=True)
    del keys_a, keys_b
    state.free_a &= ~repeated_a
    state.free_b &= ~repeated_b
    if rules.caller != "required" and comparison.clock.status != "offset_unknown":
        state.add(_by_called_number(comparison, state), Pass.CALLED)
    state.add(_answered_once(comparison, state), Pass.ANSWER)
    edges, weight, pass_codes = moved_edges(comparison, state.free_a, state.free_b)
    moved = assign(edges.switch, edges.carrier, weight, switch.start_ms, comparison.carrier_start)
    state.add(moved, _pass_codes_of(moved, edges, pass_codes))
    paired = Pairing(
        np.concatenate([some.switch for some, _ in state.parts]),
        np.concatenate([some.carrier for some, _ in state.parts]),
        np.concatenate([some.ambiguous for some, _ in state.parts]),
    )
    undecided_a, undecided_b = _undecided(comparison, paired, ~repeated_a, ~repeated_b)
    return Matches(
        paired.switch,
        paired.carrier,
        paired.ambiguous,
        np.concatenate([codes for _, codes in state.parts]),
        repeated_a,
        repeated_b,
        undecided_a,
        undecided_b,
        state.narrowed,
    )


def _undecided(comparison: Comparison, paired: Pairing, single_a: Flags, single_b: Flags) -> tuple[Flags, Flags]:
    """Unpaired rows that are not much less likely to belong to another unpaired row, or to one of an ambiguous pair."""
    switch, carrier, rules = comparison.switch, comparison.carrier, comparison.rules
    alone_a = switch.billable & single_a & ~_flagged(paired.switch, switch.count)
    alone_b = carrier.billable & single_b & ~_flagged(paired.carrier, carrier.count)
    open_a = alone_a | _flagged(paired.switch[paired.ambiguous], switch.count)
    open_b = alone_b | _flagged(paired.carrier[paired.ambiguous], carrier.count)
    edges = candidates(comparison, rules.fallback_window_ms + comparison.clock.slack_ms, open_a, open_b)
    likely = pair_weights(comparison, edges) > -rules.weights.doubtful
    return (
        alone_a & _flagged(edges.switch[likely], switch.count),
        alone_b & _flagged(edges.carrier[likely], carrier.count),
    )


def _flagged(rows: Rows, count: int) -> Flags:
    flags = np.zeros(count, np.bool_)
    flags[rows] = True
    return flags


def _while_ringing(comparison: Comparison, edges: Edges) -> Edges:
    """Candidates without attempts that had ended, or had not begun, when the carrier says that it was answered."""
    switch, carrier = comparison.switch, comparison.carrier
    if switch.ringing_ms is None or switch.invited_ms is None:
        return edges
    begins, rings = switch.invited_ms[edges.switch], switch.ringing_ms[edges.switch]
    answered = comparison.carrier_start[edges.carrier]
    slack = _NEAR_MS + comparison.clock.slack_ms
    outside = (answered < begins - slack) | (answered > begins + rings + slack)
    attempt = ~switch.billable[edges.switch] & carrier.billable[edges.carrier] & (rings > 0)
    kept = ~(attempt & outside)
    return Edges(edges.switch[kept], edges.carrier[kept], edges.narrowed)


def _pass_codes_of(paired: Pairing, edges: Edges, pass_codes: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    edge_keys = edges.switch.astype(np.int64) << _ROW_BITS | edges.carrier
    pair_keys = paired.switch.astype(np.int64) << _ROW_BITS | paired.carrier
    order = np.argsort(edge_keys)
    return pass_codes[order[np.searchsorted(edge_keys[order], pair_keys)]]


def _from_invite(comparison: Comparison, state: _MatchState) -> Pairing:
    """Pairs of calls that the carrier bills from the INVITE: earlier and longer by the time that they rang."""
    switch, rules = comparison.switch, comparison.rules
    ringing = switch.ringing_ms
    if ringing is None:
        nothing = np.zeros(0, np.int32)
        return Pairing(nothing, nothing, np.zeros(0, np.bool_))
    invited = replace(comparison, switch=switch.from_invite())
    rang = state.free_a & (ringing > rules.duration_tolerance_ms)
    edges = candidates(invited, rules.window_ms + comparison.clock.slack_ms, rang, state.free_b)
    return assign(
        edges.switch,
        edges.carrier,
        pair_weights(invited, edges),
        invited.switch.start_ms,
        comparison.carrier_start,
    )


def _by_called_number(comparison: Comparison, state: _MatchState) -> Pairing:
    """Pairs of calls with different callers: a transferred leg, or a caller that the carrier replaces on a few calls.

    Called number, time and length must agree, and no other unpaired call to the number may be near.
    """
    switch, carrier, rules = comparison.switch, comparison.carrier, comparison.rules
    free_a = _rarely_called(switch, state.free_a & ~switch.withheld)
    free_b = _rarely_called(carrier, state.free_b & ~carrier.withheld)
    edges = candidates(comparison, _NEAR_MS + comparison.clock.slack_ms, free_a, free_b, with_caller=False)
    switch_ms, carrier_ms = switch.duration_ms[edges.switch], carrier.duration_ms[edges.carrier]
    gap = length_gap(switch_ms, carrier_ms, *comparison.tariff.steps(edges.switch), rules.duration_tolerance_ms)
    single_a = np.bincount(edges.switch, minlength=switch.count)[edges.switch] == 1
    single_b = np.bincount(edges.carrier, minlength=carrier.count)[edges.carrier] == 1
    certain = single_a & single_b & gap.exact & (switch_ms >= _SHORT_MS)
    rows_a, rows_b = edges.switch[certain], edges.carrier[certain]
    return Pairing(rows_a, rows_b, np.zeros(len(rows_a), np.bool_))


def _rarely_called(calls: Calls, free: Flags) -> Flags:
    """Free rows whose called number has few free rows; at a busy number, a near call of equal length may be another."""
    rows = np.flatnonzero(free & (calls.dialled != 0))
    _, of_row, counts = np.unique(calls.dialled[rows], return_inverse=True, return_counts=True)
    rare = np.zeros_like(free)
    rare[rows[counts[of_row] <= _MOST_CALLS]] = True
    return rare


def _answered_once(comparison: Comparison, state: _MatchState) -> Pairing:
    """Pairs of a billed call on one side with an unbilled attempt on the other.

    Attempts that neither side bills take part in the assignment, so that they are not paired with billed calls. Their
    pairs are dropped.
    """
    switch, carrier, rules = comparison.switch, comparison.carrier, comparison.rules
    paired_a, paired_b = state.rows()
    attempt_a, attempt_b = ~switch.billable & ~paired_a, ~carrier.billable & ~paired_b
    if not ((attempt_a.any() and state.free_b.any()) or (attempt_b.any() and state.free_a.any())):
        nothing = np.zeros(0, np.int32)
        return Pairing(nothing, nothing, np.zeros(0, np.bool_))
    open_a, open_b = state.free_a | attempt_a, state.free_b | attempt_b
    open_a &= is_among(switch.dialled, carrier.dialled[open_b])
    open_b &= is_among(carrier.dialled, switch.dialled[open_a])
    edges = candidates(comparison, rules.fallback_window_ms, open_a, open_b)
    edges = _while_ringing(comparison, edges)
    billed_a, billed_b = switch.billable[edges.switch], carrier.billable[edges.carrier]
    weights = rules.weights
    cost = (
        time_cost(comparison, edges) + withheld_cost(comparison, edges) + weights.answered_once * (billed_a != billed_b)
    )
    weight = np.where(billed_a & billed_b, 0, weights.cut - np.rint(cost)).astype(np.int32)
    paired = assign(edges.switch, edges.carrier, weight, switch.start_ms, comparison.carrier_start)
    one_billed = switch.billable[paired.switch] | carrier.billable[paired.carrier]
    return Pairing(paired.switch[one_billed], paired.carrier[one_billed], paired.ambiguous[one_billed])
