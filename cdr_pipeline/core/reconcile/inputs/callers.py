"""Which callers of the carrier's file can be compared: a carrier may show the number of the trunk on every call."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Rows, is_among
from cdr_pipeline.core.reconcile.inputs.rules import Rules

_LEAST_CALLS: Final = 5
_MOST_CALLS: Final = 20_000
_LEAST_AGREEING: Final = 0.1


@dataclass(frozen=True, slots=True)
class CallerReading:
    """The carrier's side with the callers that are compared; others count as withheld.

    Attributes:
        carrier: the side.
        silent: rows whose caller is shown and not compared.
        finding: what a person should know, "" for nothing.
    """

    carrier: Calls
    silent: Flags
    finding: str = ""


def comparable_callers(switch: Calls, carrier: Calls, rules: Rules) -> CallerReading:
    """Treats callers as withheld that the profile ignores, or that almost never agree with the switch's.

    Calls whose called number occurs once on each side are the sample: no matching is needed to compare their callers.
    """
    nothing = CallerReading(carrier, np.zeros(carrier.count, np.bool_))
    if rules.caller == "ignored":
        return CallerReading(replace(carrier, withheld=np.ones(carrier.count, np.bool_)), ~carrier.withheld)
    if rules.caller == "required":
        return nothing
    rows_a, rows_b = _sample(switch, carrier)
    agrees = switch.caller_check[rows_a] == carrier.caller_check[rows_b]
    if len(agrees) < _LEAST_CALLS or agrees.mean() > 1 - _LEAST_AGREEING / 2:
        return nothing
    values, of_row = np.unique(carrier.caller[rows_b], return_inverse=True)
    counts = np.bincount(of_row)
    share = np.bincount(of_row, weights=agrees) / counts
    # A value that occurs once proves nothing by itself: such callers are judged together.
    rare = counts < _LEAST_CALLS
    of_rare = rare[of_row]
    rare_fail = of_rare.sum() >= _LEAST_CALLS and agrees[of_rare].mean() < _LEAST_AGREEING
    failing = values[(~rare & (share < _LEAST_AGREEING)) | (rare & rare_fail)]
    common = values[~rare & (share >= _LEAST_AGREEING)]
    silent = is_among(carrier.caller, failing)
    if rare_fail:
        silent |= ~is_among(carrier.caller, common)
    silent &= ~carrier.withheld
    if not silent.any():
        return nothing
    finding = (
        f"{int(silent.sum())} records show callers that the switch does not have (they agree on {int(agrees.sum())} of"
        f" {len(agrees)} compared calls); they are paired by called number, time and length"
    )
    return CallerReading(replace(carrier, withheld=carrier.withheld | silent), silent, finding)


def _sample(switch: Calls, carrier: Calls) -> tuple[Rows, Rows]:
    """Rows whose called number occurs once among the billable rows of each side, with both callers shown."""
    single_a, single_b = _single(switch), _single(carrier)
    _, in_a, in_b = np.intersect1d(
        switch.dialled[single_a], carrier.dialled[single_b], assume_unique=True, return_indices=True
    )
    rows_a, rows_b = single_a[in_a], single_b[in_b]
    shown = ~switch.withheld[rows_a] & ~carrier.withheld[rows_b]
    return rows_a[shown], rows_b[shown]


def _single(calls: Calls) -> Rows:
    # The hashes are uniform: a range of them is a random sample of the numbers, the same one on both sides.
    limit = np.uint64(2**64 - 1 if calls.count <= _MOST_CALLS else 2**64 // (calls.count // _MOST_CALLS + 1))
    rows = np.flatnonzero(calls.billable & (calls.dialled != 0) & (calls.dialled <= limit))
    _, first, counts = np.unique(calls.dialled[rows], return_index=True, return_counts=True)
    return rows[first[counts == 1]].astype(np.int32)
