"""A file of two clocks, as of two gateways or of one that was set: each record is read by the clock that fits."""

from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.clock.clock import Clock
from cdr_pipeline.core.reconcile.inputs.calls import Calls, Hashes
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.inputs.rules import Rules

_UNKNOWN: Final = -1


def on_the_switch(switch: Calls, carrier: Calls, clock: Clock, rules: Rules) -> Integers:
    """Carrier's times on the switch's clock, milliseconds since 1970.

    With two clocks, a record has the one by which a leg of the same numbers is nearer, within the window. Records
    without such a leg have the clock of the record that is nearest in time.

    Args:
        switch: legs of the switch.
        carrier: records of the carrier.
        clock: difference between the clocks.
        rules: window of the carrier.
    """
    start = clock.on_switch(carrier.start_ms)
    if clock.second_ms is None or not switch.count or not carrier.count:
        return start
    other = carrier.start_ms - clock.second_ms
    block, block_of_switch = carrier.block(), switch.block()
    first = _nearest(block_of_switch, switch.start_ms, block, start)
    second = _nearest(block_of_switch, switch.start_ms, block, other)
    choice = np.where(second < first, 1, 0)
    choice[np.minimum(first, second) > rules.window_ms] = _UNKNOWN
    return np.where(_filled(choice, carrier.start_ms) == 1, other, start)


def _nearest(legs: Hashes, leg_start: Integers, block: Hashes, at: Integers) -> Integers:
    """Time to the nearest leg of the same numbers, milliseconds; very large without one."""
    least = min(int(leg_start.min()), int(at.min()))
    bits = np.uint64(int(max(leg_start.max(), at.max()) - least).bit_length() + 1)
    keys = np.sort((legs >> bits) << bits | (leg_start - least).astype(np.uint64))
    wanted = (block >> bits) << bits | (at - least).astype(np.uint64)
    place = np.searchsorted(keys, wanted)
    after = keys[np.minimum(place, len(keys) - 1)]
    before = keys[np.maximum(place - 1, 0)]
    apart = np.minimum(
        np.maximum(after, wanted) - np.minimum(after, wanted), np.maximum(before, wanted) - np.minimum(before, wanted)
    )
    return np.minimum(apart, np.uint64(np.iinfo(np.int64).max)).astype(np.int64)


def _filled(choice: npt.NDArray[np.int64], times: Integers) -> npt.NDArray[np.int64]:
    """The choices; rows without one have that of the row that is nearest in time."""
    known = np.flatnonzero(choice != _UNKNOWN)
    if not len(known):
        return np.zeros_like(choice)
    known = known[np.argsort(times[known], kind="stable")]
    of_known = times[known]
    after = np.minimum(np.searchsorted(of_known, times), len(known) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.where(np.abs(of_known[before] - times) < np.abs(of_known[after] - times), before, after)
    return np.where(choice == _UNKNOWN, choice[known[nearer]], choice)
