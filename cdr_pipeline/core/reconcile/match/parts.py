"""Several records of the carrier for one call: parts of a long call, and charges with their credits.

A carrier writes a long call in parts, each beginning where the one before ends. Parts are joined if the switch has one
call of their whole length. A credit cancels the charge of the same call with the same amount.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, Hashes, Rows, combine_hashes, is_among
from cdr_pipeline.core.reconcile.inputs.comparison import Comparison
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.inputs.row_order import stable_order
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
        of_call: row of the record that is paired for the call, of further parts and of credited charges and their
            credits; -1 for all other rows.
    """

    carrier: Calls
    head: Rows
    credited: Flags
    without_call: Flags
    sizes: dict[int, int]
    of_call: Rows


def joined_parts(comparison: Comparison) -> Parts:
    """Joins the parts of calls and cancels credited charges.

    Args:
        comparison: the two sides as read.
    """
    carrier = comparison.carrier
    head = np.full(carrier.count, _NONE, np.int32)
    duration, amount = carrier.duration_ms.copy(), carrier.amount.copy()
    of_call = np.full(carrier.count, _NONE, np.int32)
    credited = _credited(carrier, amount, of_call)
    sizes: dict[int, int] = {}
    for rows in _split_calls(comparison, credited):
        head[rows[1:]] = rows[0]
        sizes[rows[0]] = len(rows)
        duration[rows[0]] = duration[rows].sum()
        amount[rows[0]] = amount[rows].sum()
    of_call = np.where(head >= 0, head, of_call)
    excluded = credited | (head >= 0)
    without_call = carrier.priced & ((carrier.amount < 0) | ((carrier.amount > 0) & (carrier.dialled == 0))) & ~excluded
    excluded |= without_call
    if not excluded.any() and not sizes:
        return Parts(carrier, head, credited, without_call, sizes, of_call)
    merged = replace(
        carrier,
        duration_ms=duration,
        amount=amount,
        billable=carrier.billable & ~excluded,
        answered=carrier.answered & ~excluded,
        dialled=np.where(excluded, np.uint64(0), carrier.dialled),
    )
    return Parts(merged, head, credited, without_call, sizes, of_call)


def _credited(carrier: Calls, amount: Integers, of_call: Rows) -> Flags:
    """Charges and credits of one call that cancel each other. Other credits reduce the amount of their call."""
    credited = np.zeros(carrier.count, np.bool_)
    negative = np.flatnonzero(carrier.priced & (carrier.amount < 0) & (carrier.dialled != 0))
    if not len(negative):
        return credited
    call = combine_hashes(combine_hashes(carrier.block(), carrier.block_check()), carrier.duration_ms.view(np.uint64))
    at = combine_hashes(call, carrier.start_ms.view(np.uint64))
    for key in (at, call):
        groups = _groups(key, np.flatnonzero(is_among(key, key[negative]) & ~credited & carrier.priced))
        for rows in groups.values():
            charge = _cancel(rows, carrier.amount, amount, credited)
            of_call[[row for row in rows if credited[row]]] = charge
    return credited


def _groups(keys: Hashes, rows: npt.NDArray[np.int64]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        groups[int(keys[row])].append(int(row))
    return groups


def _cancel(rows: list[int], charged: Integers, amount: Integers, credited: Flags) -> int:
    """Cancels equal amounts of one call; what remains of a charge stays the amount of the call.

    Returns:
        Row of the charge that stays; -1 if none of the rows is a charge.
    """
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
        charges = [kept]
    for pair in cancelled:
        credited[list(pair)] = True
    if refunds and charges:
        amount[charges[0]] += int(charged[refunds].sum())
        credited[refunds] = True
    return charges[0] if charges else _NONE


def _split_calls(comparison: Comparison, credited: Flags) -> list[list[int]]:
    """Rows of the records of each call that the carrier charges in parts, in order."""
    switch, carrier = comparison.switch, comparison.carrier
    usable = carrier.billable & (carrier.dialled != 0) & ~credited & (carrier.duration_ms > 0)
    rows = np.flatnonzero(usable)
    if not len(rows):
        return []
    block = carrier.block()
    crowded = _with_a_part(comparison, rows, block)
    if not len(crowded):
        return []
    records = _groups(block, crowded)
    wanted = is_among(switch.block(), block[crowded]) & switch.billable
    of_switch = _groups(switch.block(), np.flatnonzero(wanted))
    calls: list[list[int]] = []
    for key, of_numbers in records.items():
        legs = _ByTime(of_switch.get(key, []), switch.start_ms, comparison.rules.window_ms)
        others = _ByTime(of_numbers, comparison.carrier_start, comparison.rules.window_ms)
        for chain in _chains(comparison, of_numbers):
            calls += _calls_of(chain, legs, others, comparison)
    return calls


class _ByTime:
    """Rows of one side between the same numbers; those of calls found so far are taken."""

    def __init__(self, rows: list[int], starts: Integers, window_ms: int) -> None:
        self._rows = sorted(rows, key=lambda row: (int(starts[row]), row))
        self._starts = [int(starts[row]) for row in self._rows]
        self._window = window_ms
        self.taken = set[int]()

    def near(self, start: int) -> list[int]:
        """Rows that begin within the window of a time and are not taken, the nearest first."""
        first = bisect_left(self._starts, start - self._window)
        last = bisect_right(self._starts, start + self._window)
        nearest = sorted(range(first, last), key=lambda place: abs(self._starts[place] - start))
        return [self._rows[place] for place in nearest if self._rows[place] not in self.taken]


def _with_a_part(comparison: Comparison, rows: npt.NDArray[np.int64], block: Hashes) -> npt.NDArray[np.int64]:
    """Rows whose two numbers have a record that begins where another one ends, by numbers and time."""
    starts, lengths = comparison.carrier_start, comparison.carrier.duration_ms
    # One sort by the upper bits of the numbers' hash and the time; the comparison below uses the whole hash.
    least = starts[rows].min() - _ABUT_MS
    most = (starts[rows] + lengths[rows]).max() + _ABUT_MS
    bits = np.uint64(int(most - least).bit_length())
    keys = (block[rows] >> bits) << bits | (starts[rows] - least).astype(np.uint64)
    order = stable_order(keys)
    rows, keys = rows[order], keys[order]
    same = block[rows][1:] == block[rows][:-1]
    several = np.r_[same, False] | np.r_[False, same]
    rows, keys = rows[several], keys[several]
    # The time is in the lower bits, so that the end of a record is a key of the same numbers.
    ends = keys + lengths[rows].astype(np.uint64)
    first = np.searchsorted(keys, ends - np.uint64(_ABUT_MS))
    last = np.searchsorted(keys, ends + np.uint64(_ABUT_MS), "right")
    # A record shorter than the tolerance finds itself.
    itself = (lengths[rows] <= _ABUT_MS).astype(np.int64)
    continued = last - first > itself
    return rows[is_among(block[rows], block[rows[continued]])]


def _chains(comparison: Comparison, rows: list[int]) -> list[list[int]]:
    """Chains of two or more records of the same numbers, in order of time, each beginning where the one before ends.

    Calls of the same numbers may overlap: a record continues the chain whose end is nearest to its start.
    """
    starts, lengths = comparison.carrier_start, comparison.carrier.duration_ms
    chains: list[list[int]] = []
    # End and number of the chains that may go on, by end.
    open_ends: list[tuple[int, int]] = []
    for row in rows:
        start, end = int(starts[row]), int(starts[row] + lengths[row])
        del open_ends[: bisect_left(open_ends, (start - _ABUT_MS, 0))]
        reached = open_ends[: bisect_left(open_ends, (start + _ABUT_MS + 1, 0))]
        if reached:
            continued = min(reached, key=lambda item: (abs(item[0] - start), item[1]))
            open_ends.remove(continued)
            number = continued[1]
            chains[number].append(row)
        else:
            number = len(chains)
            chains.append([row])
        insort(open_ends, (end, number))
    return [chain for chain in chains if len(chain) > 1]


def _calls_of(chain: list[int], legs: _ByTime, records: _ByTime, comparison: Comparison) -> list[list[int]]:
    """The calls that follow each other in a chain; records that are no part of a longer call are skipped.

    Args:
        chain: records, each of which begins where the one before ends.
        legs: legs of the switch between the same numbers; those of the calls found are taken.
        records: records of the carrier between the same numbers.
        comparison: the two sides.
    """
    calls: list[list[int]] = []
    while len(chain) > 1:
        leg, count = _leg_of(chain, legs, records, comparison)
        if count:
            legs.taken.add(leg)
            records.taken.update(chain[:count])
            calls.append(chain[:count])
        chain = chain[max(count, 1) :]
    return calls


def _leg_of(chain: list[int], legs: _ByTime, records: _ByTime, comparison: Comparison) -> tuple[int, int]:
    """The leg that the first records of a chain add up to, and their number; 0 records if there is none."""
    switch, carrier = comparison.switch, comparison.carrier
    longer = int(carrier.duration_ms[chain[0]]) + comparison.rules.duration_tolerance_ms
    total = np.cumsum(carrier.duration_ms[chain])
    for leg in legs.near(int(comparison.carrier_start[chain[0]])):
        fits = _within(comparison, leg, total) if switch.duration_ms[leg] > longer else np.zeros(1, np.bool_)
        if fits.any() and not fits[0]:
            count = int(fits.argmax()) + 1
            if not any(
                _is_own_call(record, own, records, set(chain), comparison)
                for record in chain[:count]
                for own in legs.near(int(comparison.carrier_start[record]))
                if own != leg or record != chain[0]
            ):
                return leg, count
    return _NONE, 0


def _is_own_call(record: int, leg: int, records: _ByTime, chain: set[int], comparison: Comparison) -> bool:
    """Whether a record is the call of another leg: it has its length, and no record outside the chain is nearer."""
    starts, lengths = comparison.carrier_start, comparison.carrier.duration_ms
    if not _within(comparison, leg, lengths[[record]]).any():
        return False
    begins = int(comparison.switch.start_ms[leg])
    apart = abs(int(starts[record]) - begins)
    return not any(
        abs(int(starts[other]) - begins) < apart and _within(comparison, leg, lengths[[other]]).any()
        for other in records.near(begins)
        if other not in chain
    )


def _within(comparison: Comparison, leg: int, lengths: Integers) -> Flags:
    """Whether lengths of the carrier are that of a leg, measured or billed, within tolerance."""
    steps = comparison.tariff.steps(np.array([leg], np.int32))
    first, following = (int(np.asarray(step).flat[0]) for step in steps)
    measured = np.full(len(lengths), comparison.switch.duration_ms[leg])
    return length_gap(measured, lengths, first, following, comparison.rules.duration_tolerance_ms).within
