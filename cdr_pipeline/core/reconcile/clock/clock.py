"""How far the carrier's clock is from the switch's: offset, drift, and one jump where its zone changed.

Calls whose two numbers occur once on each side tell the difference without any matching. Their differences make a
histogram; its mode is the offset, if it stands out. Nothing is guessed: without a clear mode the offset is unknown.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from cdr_pipeline.core.reconcile.inputs.calls import Calls, Hashes
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.inputs.rules import Rules

Floats = npt.NDArray[np.float64]

_REACH_MS: Final = 15 * 3_600_000
_BIN_MS: Final = 1_000
_AROUND_MS: Final = 30_000
_ENOUGH: Final = 30
_CLEAR: Final = 5
_QUARTER_MS: Final = 900_000
_MINUTE_MS: Final = 60_000
_ZONE_SLACK_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
# A jump explains the differences when almost all lie with the one clock before it and with the other after it.
_PURE: Final = 0.98
_SECOND_SHARE: Final = 0.02
_PIECES: Final = 24
_LEAST_SPREAD_MS: Final = 700.0
# Median absolute deviation to standard deviation of a normal distribution.
_DEVIATION: Final = 1.4826
_STEADY_PPM: Final = 2.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The carrier's clock less the switch's.

    Attributes:
        status: ``found``, ``given`` or ``offset_unknown``.
        offset_ms: at ``reference_ms``; before the jump where there is one.
        drift_ppm: milliseconds that it gains in a thousand seconds, less what is within the noise.
        reference_ms: carrier's time at which the offset holds exactly.
        spread_ms: median absolute deviation of what is left.
        pairs: calls that told it.
        precision_ms: step of the carrier's clock.
        jump_at_ms: carrier's time from which on ``jump_ms`` is added; None without a jump.
        jump_ms: size of the jump.
    """

    status: str = "offset_unknown"
    offset_ms: int = 0
    drift_ppm: float = 0.0
    reference_ms: int = 0
    spread_ms: int = 0
    pairs: int = 0
    precision_ms: int = 1_000
    jump_at_ms: int | None = None
    jump_ms: int = 0

    @property
    def deviation_ms(self) -> float:
        """Standard deviation of the usual difference, never below what clocks of seconds have."""
        return max(self.spread_ms * _DEVIATION, _LEAST_SPREAD_MS)

    @property
    def slack_ms(self) -> int:
        """What a clock of whole minutes adds to every window; whole seconds need nothing."""
        return self.precision_ms // 2 if self.precision_ms > _BIN_MS else 0

    @property
    def jump_at(self) -> datetime | None:
        """The jump's time."""
        return None if self.jump_at_ms is None else datetime.fromtimestamp(self.jump_at_ms // 1_000, UTC)

    def on_switch(self, start_ms: Integers) -> Integers:
        """Carrier's times on the switch's clock."""
        drifted = np.rint((start_ms - self.reference_ms) * (self.drift_ppm * 1e-6)).astype(np.int64)
        corrected = start_ms - self.offset_ms - drifted
        if self.jump_at_ms is not None:
            corrected[start_ms >= self.jump_at_ms] -= self.jump_ms
        return corrected

    @property
    def finding(self) -> str:
        """What a person should look at, "" for nothing."""
        if self.status == "offset_unknown":
            return "the calls do not tell the offset of the clocks: taken as 0"
        found: list[str] = []
        if _is_zone(self.offset_ms):
            found.append(f"zone or DST error of {round(self.offset_ms / _QUARTER_MS) / 4:g} h")
        if self.jump_at is not None:
            hours = round(self.jump_ms / _QUARTER_MS) / 4
            found.append(f"clock jumps by {hours:g} h at {self.jump_at:%Y-%m-%d %H:%M}Z: DST in local times")
        if abs(self.drift_ppm) >= _STEADY_PPM:
            found.append(f"clock drifts by {self.drift_ppm:.0f} ppm")
        return "; ".join(found)


def clock_between(switch: Calls, carrier: Calls, rules: Rules) -> Clock:
    """The clock that the calls tell, or the one given."""
    precision = rules.precision_ms or _precision(carrier)
    at, late = _told(switch, carrier, with_caller=True)
    if len(at) < _ENOUGH:
        at, late = _told(switch, carrier, with_caller=False)
    if rules.offset_ms is not None:
        near = np.abs(late - rules.offset_ms) <= _AROUND_MS
        spread = int(np.median(np.abs(late[near] - rules.offset_ms))) if near.any() else 0
        return Clock("given", rules.offset_ms, spread_ms=spread, pairs=int(near.sum()), precision_ms=precision)
    return _found(at, late, precision)


def _precision(carrier: Calls) -> int:
    whole = carrier.count >= _ENOUGH and not (carrier.start_ms % _MINUTE_MS).any()
    return _MINUTE_MS if whole else _BIN_MS


def _told(switch: Calls, carrier: Calls, *, with_caller: bool) -> tuple[Integers, Integers]:
    """Carrier's time and difference of calls whose key occurs once on each side, in order of time."""
    of_switch, of_carrier = [calls.block() if with_caller else calls.dialled for calls in (switch, carrier)]
    usable = [calls.billable & (calls.dialled != 0) for calls in (switch, carrier)]
    if with_caller:
        usable = [rows & ~calls.withheld for rows, calls in zip(usable, (switch, carrier), strict=True)]
    rows_a, rows_b = _single(of_switch, usable[0]), _single(of_carrier, usable[1])
    _, in_a, in_b = np.intersect1d(of_switch[rows_a], of_carrier[rows_b], assume_unique=True, return_indices=True)
    at = carrier.start_ms[rows_b[in_b]]
    late = at - switch.start_ms[rows_a[in_a]]
    near = np.abs(late) <= _REACH_MS
    at, late = at[near], late[near]
    by_time = np.lexsort((late, at))
    return at[by_time], late[by_time]


def _single(keys: Hashes, usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Rows whose key no other usable row has."""
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(keys[rows], kind="stable")]
    ordered = keys[rows]
    new = np.ones(len(rows) + 1, np.bool_)
    new[1:-1] = ordered[1:] != ordered[:-1]
    return rows[new[1:] & new[:-1]]


def _found(at: Integers, late: Integers, precision: int) -> Clock:
    unknown = Clock(pairs=len(late), precision_ms=precision)
    if len(late) < _ENOUGH:
        return unknown
    reference = int(at[len(at) // 2])
    first_guess = _drift(at, late, reference)
    for rate in dict.fromkeys((0.0, first_guess)):
        level = late - np.rint((at - reference) * rate).astype(np.int64)
        first, second, second_at = _peaks(level, precision)
        if first[1] >= _CLEAR * max(second, 1):
            return _refined(at, late, rate, first[0], precision)
        if second >= first[1] * _SECOND_SHARE and _is_zone(second_at - first[0]):
            jumped = _jump(at, level, first[0], second_at, precision)
            if jumped is not None:
                return jumped
    return unknown


def _peaks(late: Integers, precision: int) -> tuple[tuple[int, int], int, int]:
    """Place and height of the mode, then height and place of the highest bin away from it; three bins smooth."""
    bins = np.bincount(((late + _REACH_MS + _BIN_MS) // _BIN_MS).clip(0), minlength=2 * _REACH_MS // _BIN_MS + 3)
    width = max(3, precision // _BIN_MS)
    smooth = np.convolve(bins, np.ones(width, np.int64), "same")
    top = int(smooth.argmax())
    first = int(smooth[top])
    around = (_AROUND_MS + precision) // _BIN_MS
    rest = smooth.copy()
    rest[max(0, top - around) : top + around + 1] = 0
    other = int(rest.argmax())
    place = (np.array([top, other]) - 1) * _BIN_MS - _REACH_MS + _BIN_MS // 2
    return (int(place[0]), first), int(rest[other]), int(place[1])


def _drift(at: Integers, late: Integers, reference: int) -> float:
    """Slope of the modes of consecutive pieces of time: robust against what is no pair, blind to a jump."""
    pieces = [part for part in np.array_split(np.arange(len(at)), _PIECES) if len(part) >= _ENOUGH]
    if len(pieces) < 3:  # noqa: PLR2004 - a line through two points proves nothing
        return 0.0
    middle = np.array([np.median(at[part]) for part in pieces]) - reference
    level = np.array([_peaks(late[part], _BIN_MS)[0][0] for part in pieces], np.float64)
    one, other = np.triu_indices(len(pieces), 1)
    apart = middle[other] - middle[one]
    return float(np.median((level[other] - level[one])[apart > 0] / apart[apart > 0])) if (apart > 0).any() else 0.0


def _refined(at: Integers, late: Integers, rate: float, mode: int, precision: int) -> Clock:
    """Offset and drift from the medians of the hours, of what lies around the mode."""
    reach = _AROUND_MS + precision // 2
    reference = int(at[len(at) // 2])
    level = late - (at - reference) * rate
    near = np.abs(level - mode) <= reach
    at, late, level = at[near], late[near], level[near]
    centre = float(np.median(level))
    slope = _slope_of_hours(at - reference, level - centre)
    kept = rate + slope
    if abs(kept) * 1e6 < _STEADY_PPM and rate == 0:
        kept = 0.0
    left = late - (at - reference) * kept
    offset = int(np.rint(np.median(left)))
    spread = int(np.rint(np.median(np.abs(left - offset))))
    return Clock("found", offset, kept * 1e6, reference, spread, len(at), precision)


def _slope_of_hours(at: Floats | Integers, level: Floats) -> float:
    """Weighted least squares through the hours' medians; 0 where it is within its own error."""
    hours = at // _HOUR_MS
    starts = np.flatnonzero(np.r_[True, hours[1:] != hours[:-1]])
    sizes = np.diff(np.r_[starts, len(at)])
    full = sizes >= _ENOUGH
    if full.sum() < 3:  # noqa: PLR2004 - as above
        return 0.0
    parts = [slice(start, start + size) for start, size in zip(starts[full], sizes[full], strict=True)]
    x = np.array([np.mean(at[part]) for part in parts])
    y = np.array([np.median(level[part]) for part in parts])
    weight = sizes[full] / sizes[full].sum()
    x = x - (weight * x).sum()
    y = y - (weight * y).sum()
    across = float((weight * x * x).sum())
    slope = float((weight * x * y).sum() / across)
    error = float(np.sqrt((weight * (y - slope * x) ** 2).sum() / max(len(x) - 2, 1) / across))
    return slope if abs(slope) > 4 * error else 0.0


def _jump(at: Integers, late: Integers, one: int, other: int, precision: int) -> Clock | None:
    """Where one clock ends and the other begins, if one moment parts them."""
    reach = _AROUND_MS + precision // 2
    is_one, is_other = np.abs(late - one) <= reach, np.abs(late - other) <= reach
    told = is_one | is_other
    sign = np.where(is_one[told], 1, -1)
    before = np.r_[0, np.cumsum(sign)]
    balance = 2 * before - before[-1]
    cut = int(np.abs(balance).argmax())
    starts_with_one = balance[cut] > 0
    agreeing = (np.abs(balance[cut]) + len(sign)) / 2
    if agreeing < _PURE * len(sign) or cut < _ENOUGH // 3 or len(sign) - cut < _ENOUGH // 3:
        return None
    times, levels = at[told], late[told]
    early, after = (levels[:cut], levels[cut:])
    low = early[np.abs(early - (one if starts_with_one else other)) <= reach]
    high = after[np.abs(after - (other if starts_with_one else one)) <= reach]
    offset = int(np.median(low))
    jump = round((int(np.median(high)) - offset) / _QUARTER_MS) * _QUARTER_MS
    left = np.r_[low - offset, high - offset - jump]
    spread = int(np.median(np.abs(left)))
    return Clock("found", offset, 0.0, int(times[0]), spread, len(left), precision, int(times[cut]), jump)


def _is_zone(offset_ms: int) -> bool:
    quarters = round(offset_ms / _QUARTER_MS)
    return quarters != 0 and abs(offset_ms - quarters * _QUARTER_MS) <= _ZONE_SLACK_MS
