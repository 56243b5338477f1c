"""The passes of matching, from the surest to the least sure. Each pairs what the ones before left."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.inputs.calls import Flags, Rows
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.match.assignment import Paired, assign
from cdr_pipeline.core.reconcile.match.call_ids import paired_by_call_id
from cdr_pipeline.core.reconcile.match.candidates import Edges, candidates, is_among
from cdr_pipeline.core.reconcile.match.cost import pair_weights, time_cost, withheld_cost
from cdr_pipeline.core.reconcile.match.duplicates import later_twins, repeats, twin_keys
from cdr_pipeline.core.reconcile.match.moved import moved_edges
from cdr_pipeline.core.reconcile.match.passes import Pass

_ROW_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs, one value each, and what repeats.

    Attributes:
        switch: row of the switch.
        carrier: row of the carrier.
        ambiguous: one of equals.
        how: ``Pass``.
        repeated_a: rows of the switch without partner that repeat another one.
        repeated_b: the same of the carrier.
        narrowed: rows with more candidates than were looked at.
    """

    switch: Rows
    carrier: Rows
    ambiguous: Flags
    how: npt.NDArray[np.int8]
    repeated_a: Flags
    repeated_b: Flags
    narrowed: int


@dataclass(slots=True)
class _Found:
    free_a: Flags
    free_b: Flags
    parts: list[tuple[Paired, npt.NDArray[np.int8]]] = field(default_factory=list[tuple[Paired, npt.NDArray[np.int8]]])
    narrowed: int = 0

    def rows(self) -> tuple[Flags, Flags]:
        """Rows of either side that have a partner."""
        paired_a, paired_b = np.zeros_like(self.free_a), np.zeros_like(self.free_b)
        for paired, _ in self.parts:
            paired_a[paired.switch] = True
            paired_b[paired.carrier] = True
        return paired_a, paired_b

    def add(self, paired: Paired, how: npt.NDArray[np.int8] | Pass) -> None:
        self.free_a[paired.switch] = False
        self.free_b[paired.carrier] = False
        codes = np.full(len(paired.switch), how, np.int8) if isinstance(how, Pass) else how
        self.parts.append((paired, codes))


def match(it: Comparison) -> Matches:
    """Pairs the rows of two sides; no row is in two pairs."""
    switch, carrier, rules = it.switch, it.carrier, it.rules
    keys_a, keys_b = twin_keys(switch), twin_keys(carrier)
    later_a, twins_a = later_twins(keys_a)
    later_b, twins_b = later_twins(keys_b)
    found = _Found(np.ones(switch.count, np.bool_), np.ones(carrier.count, np.bool_))
    rows_a, rows_b = paired_by_call_id(it, ~later_a, ~later_b)
    found.add(Paired(rows_a, rows_b, np.zeros(len(rows_a), np.bool_)), Pass.CALL_ID)
    found.free_a &= switch.billable
    found.free_b &= carrier.billable

    def within(window_ms: int) -> Paired:
        edges = candidates(it, window_ms, found.free_a, found.free_b)
        found.narrowed += edges.narrowed
        weight = pair_weights(it, edges)
        return assign(edges.switch, edges.carrier, weight, switch.start_ms, it.carrier_start)

    slack = it.clock.slack_ms
    found.add(within(rules.window_ms + slack), Pass.WINDOW)
    # Equals that all came late are no repeats yet: the wider window may find a partner for each.
    found.free_a &= ~repeats(keys_a, twins_a, ~found.free_a, none_paired=False)
    found.free_b &= ~repeats(keys_b, twins_b, ~found.free_b, none_paired=False)
    found.add(within(rules.fallback_window_ms + slack), Pass.FALLBACK)
    paired_a, paired_b = found.rows()
    repeated_a = repeats(keys_a, twins_a, paired_a | ~switch.billable, none_paired=True)
    repeated_b = repeats(keys_b, twins_b, paired_b | ~carrier.billable, none_paired=True)
    del keys_a, keys_b
    found.free_a &= ~repeated_a
    found.free_b &= ~repeated_b
    found.add(_answered_once(it, found), Pass.ANSWER)
    edges, weight, how = moved_edges(it, found.free_a, found.free_b)
    moved = assign(edges.switch, edges.carrier, weight, switch.start_ms, it.carrier_start)
    found.add(moved, _how_of(moved, edges, how))
    return Matches(
        np.concatenate([paired.switch for paired, _ in found.parts]),
        np.concatenate([paired.carrier for paired, _ in found.parts]),
        np.concatenate([paired.ambiguous for paired, _ in found.parts]),
        np.concatenate([codes for _, codes in found.parts]),
        repeated_a,
        repeated_b,
        found.narrowed,
    )


def _how_of(paired: Paired, edges: Edges, how: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    known = edges.switch.astype(np.int64) << _ROW_BITS | edges.carrier
    asked = paired.switch.astype(np.int64) << _ROW_BITS | paired.carrier
    order = np.argsort(known)
    return how[order[np.searchsorted(known[order], asked)]]


def _answered_once(it: Comparison, found: _Found) -> Paired:
    """Calls that one side bills and the other has as not answered.

    Attempts that neither side bills are paired along with them, so that they are not taken for the calls that were;
    those pairs are dropped.
    """
    switch, carrier, rules = it.switch, it.carrier, it.rules
    paired_a, paired_b = found.rows()
    attempt_a, attempt_b = ~switch.billable & ~paired_a, ~carrier.billable & ~paired_b
    if not ((attempt_a.any() and found.free_b.any()) or (attempt_b.any() and found.free_a.any())):
        nothing = np.zeros(0, np.int32)
        return Paired(nothing, nothing, np.zeros(0, np.bool_))
    open_a, open_b = found.free_a | attempt_a, found.free_b | attempt_b
    open_a &= is_among(switch.dialled, carrier.dialled[open_b])
    open_b &= is_among(carrier.dialled, switch.dialled[open_a])
    edges = candidates(it, rules.fallback_window_ms, open_a, open_b)
    billed_a, billed_b = switch.billable[edges.switch], carrier.billable[edges.carrier]
    weights = rules.weights
    cost = time_cost(it, edges) + withheld_cost(it, edges) + weights.answered_once * (billed_a != billed_b)
    weight = np.where(billed_a & billed_b, 0, weights.cut - np.rint(cost)).astype(np.int32)
    paired = assign(edges.switch, edges.carrier, weight, switch.start_ms, it.carrier_start)
    kept = switch.billable[paired.switch] | carrier.billable[paired.carrier]
    return Paired(paired.switch[kept], paired.carrier[kept], paired.ambiguous[kept])
