"""Several records of the carrier for one call: parts of a long call, and charges with their credits.

A carrier writes a long call in parts, each beginning where the one before ends. Parts are joined if the switch has one
call of their whole length. A credit cancels the charge of the same call with the same amount.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Hashes, Rows, combine_hashes
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.match.lengths import length_gap

_ABUT_MS: Final = 2_000
_NONE: Final = -1


@dataclass(frozen=True, slots=True)
class Parts:
    """The carrier's side with one record per call.

    Attributes:
        carrier: the side; the first record of a call has the length and amount of all, the others are not billable.
        head: row of the first record of the call of each further record, -1 for all other rows.
        credited: charges that a credit cancels, and the credits.
        without_call: credits, and charges without a called number.
        sizes: number of records of a call by the row of its first record.
    """

    carrier: Calls
    head: Rows
    credited: Flags
    without_call: Flags
    sizes: dict[int, int]


def joined_parts(comparison: Comparison) -> Parts:
    """Joins the parts of calls and cancels credited charges.

    Args:
        comparison: the two sides as read.
    """
    carrier = comparison.carrier
    head = np.full(carrier.count, _NONE, np.int32)
    duration, amount = carrier.duration_ms.copy(), carrier.amount.copy()
    credited = _credited(carrier, amount)
    sizes: dict[int, int] = {}
    for rows in _split_calls(comparison, credited):
        head[rows[1:]] = rows[0]
        sizes[rows[0]] = len(rows)
        duration[rows[0]] = duration[rows].sum()
        amount[rows[0]] = amount[rows].sum()
    excluded = credited | (head >= 0)
    without_call = carrier.priced & ((carrier.amount < 0) | ((carrier.amount > 0) & (carrier.dialled == 0))) & ~excluded
    excluded |= without_call
    if not excluded.any() and not sizes:
        return Parts(carrier, head, credited, without_call, sizes)
    merged = replace(
        carrier,
        duration_ms=duration,
        amount=amount,
        billable=carrier.billable & ~excluded,
        answered=carrier.answered & ~excluded,
        dialled=np.where(excluded, np.uint64(0), carrier.dialled),
    )
    return Parts(merged, head, credited, without_call, sizes)


def _credited(carrier: Calls, amount: Integers) -> Flags:
    """Charges and credits of one call that cancel each other. Other credits reduce the amount of their call."""
    credited = np.zeros(carrier.count, np.bool_)
    negative = np.flatnonzero(carrier.priced & (carrier.amount < 0) & (carrier.dialled != 0))
    if not len(negative):
        return credited
    call = combine_hashes(combine_hashes(carrier.block(), carrier.block_check()), carrier.duration_ms.view(np.uint64))
    at = combine_hashes(call, carrier.start_ms.view(np.uint64))
    for key in (at, call):
        groups = _groups(key, np.flatnonzero(np.isin(key, key[negative]) & ~credited & carrier.priced))
        for rows in groups.values():
            _cancel(rows, carrier.amount, amount, credited)
    return credited


def _groups(keys: Hashes, rows: npt.NDArray[np.int64]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        groups[int(keys[row])].append(int(row))
    return groups


def _cancel(rows: list[int], charged: Integers, amount: Integers, credited: Flags) -> None:
    """Cancels equal amounts of one call; what remains of a charge stays the amount of the call."""
    charges = [row for row in rows if charged[row] > 0]
    refunds = [row for row in rows if charged[row] < 0]
    cancelled: list[tuple[int, int]] = []
    for credit in list(refunds):
        equal = next((row for row in charges if charged[row] == -charged[credit]), None)
        if equal is not None:
            charges.remove(equal)
            refunds.remove(credit)
            cancelled.append((equal, credit))
    if not charges and cancelled:
        # Nothing remains: the call stays, with an amount of 0.
        kept, credit = cancelled.pop()
        amount[kept] = 0
        credited[credit] = True
    for pair in cancelled:
        credited[list(pair)] = True
    if refunds and charges:
        amount[charges[0]] += int(charged[refunds].sum())
        credited[refunds] = True


def _split_calls(comparison: Comparison, credited: Flags) -> list[list[int]]:
    """Rows of the records of each call that the carrier charges in parts, in order."""
    switch, carrier, carrier_start = comparison.switch, comparison.carrier, comparison.carrier_start
    usable = carrier.billable & (carrier.dialled != 0) & ~credited & (carrier.duration_ms > 0)
    rows = np.flatnonzero(usable)
    if not len(rows):
        return []
    block = carrier.block()
    # One sort by the upper bits of the numbers' hash and the time; the comparison below uses the whole hash.
    since = (carrier_start[rows] - carrier_start[rows].min()).astype(np.uint64)
    bits = np.uint64(int(since.max()).bit_length())
    order = rows[np.argsort((block[rows] >> bits) << bits | since)]
    ends = carrier_start[order] + carrier.duration_ms[order]
    follows = (block[order][1:] == block[order][:-1]) & (np.abs(carrier_start[order][1:] - ends[:-1]) <= _ABUT_MS)
    if not follows.any():
        return []
    starts = np.flatnonzero(follows & ~np.r_[False, follows[:-1]])
    chains: list[list[int]] = []
    for start in starts:
        stop = start + 1
        while stop < len(follows) and follows[stop]:
            stop += 1
        chains.append(order[start : stop + 1].tolist())
    wanted = np.isin(switch.block(), block[[chain[0] for chain in chains]]) & switch.billable
    legs = _groups(switch.block(), np.flatnonzero(wanted))
    return [joined for chain in chains if (joined := _call_of(chain, legs.get(int(block[chain[0]]), []), comparison))]


def _call_of(chain: list[int], legs: list[int], comparison: Comparison) -> list[int]:
    """The first records of a chain whose lengths add up to one call of the switch; empty if there is none."""
    switch, carrier, carrier_start = comparison.switch, comparison.carrier, comparison.carrier_start
    rules = comparison.rules
    longer = int(carrier.duration_ms[chain[0]]) + rules.duration_tolerance_ms
    near = [
        leg
        for leg in legs
        if switch.duration_ms[leg] > longer
        and abs(int(switch.start_ms[leg] - carrier_start[chain[0]])) <= rules.window_ms
    ]
    if not near:
        return []
    total = np.cumsum(carrier.duration_ms[chain])
    for leg in near:
        steps = comparison.tariff.steps(np.array([leg], np.int32))
        first, following = (int(np.asarray(step).flat[0]) for step in steps)
        measured = np.full(len(chain), switch.duration_ms[leg])
        fits = length_gap(measured, total, first, following, rules.duration_tolerance_ms).within
        # Another call of the switch during that time shows that the records are calls of their own.
        begin, end = int(carrier_start[chain[0]]) - _ABUT_MS, int(carrier_start[chain[0]] + total[-1])
        if fits[0] or any(begin <= int(switch.start_ms[other]) <= end for other in legs if other != leg):
            continue
        if fits.any():
            return chain[: int(fits.argmax()) + 1]
    return []
