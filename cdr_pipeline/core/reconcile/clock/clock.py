"""Difference between the carrier's clock and the switch's: offset, drift, and one jump if its time zone changed.

Calls whose two numbers occur once on each side need no matching. The mode of the histogram of their time differences
is the offset, if it is clearly the highest. Without a clear mode the offset is unknown; it is never guessed.
"""

from dataclasses import dataclass, replace
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
_LEAST_PAIRS: Final = 30
# A side with more rows is sampled: a million calls determine the clock.
_SAMPLE: Final = 1_000_000
_CLEAR_RATIO: Final = 5
_QUARTER_MS: Final = 900_000
_MINUTE_MS: Final = 60_000
_ZONE_SLACK_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
# A jump explains the differences if almost all agree with one offset before it and with the other after it.
_PURE: Final = 0.98
_SECOND_SHARE: Final = 0.02
# A second offset this frequent, compared with the first, is a second clock: where the first is not clear, and where
# it is.
_SECOND_SHARE_OF_TWO: Final = 0.2
_FEW_SHARE: Final = 0.02
_PIECES: Final = 24
# Share of calls that have another offset by chance.
_STRAY: Final = 0.01
_LEAST_SPREAD_MS: Final = 700.0
# Median absolute deviation to standard deviation of a normal distribution.
_DEVIATION: Final = 1.4826
_STEADY_PPM: Final = 2.0
# A spread of whole-second clocks is below this; ringing times spread more.
_RINGING_SPREAD_MS: Final = 1_500


@dataclass(frozen=True, slots=True)
class Clock:
    """The carrier's clock minus the switch's.

    Attributes:
        status: ``found``, ``given`` or ``offset_unknown``.
        offset_ms: offset at ``reference_ms``; if there is a jump, the offset before it. Milliseconds.
        drift_ppm: milliseconds gained in a thousand seconds; 0 if not significant.
        reference_ms: carrier's time at which the offset is exact, milliseconds since 1970.
        spread_ms: median absolute deviation of the remaining differences.
        pairs: number of calls that the estimate is based on.
        precision_ms: step of the carrier's clock.
        jump_at_ms: carrier's time from which ``jump_ms`` is added, milliseconds since 1970; None without a jump.
        jump_ms: size of the jump.
        second_ms: offset of the records on the second of two clocks; None if there is one clock.
        two_clocks: what the two offsets are; "" if there is one clock.
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
    second_ms: int | None = None
    two_clocks: str = ""

    @property
    def deviation_ms(self) -> float:
        """Standard deviation of the differences in milliseconds, at least that of clocks with whole seconds."""
        return max(self.spread_ms * _DEVIATION, _LEAST_SPREAD_MS)

    @property
    def slack_ms(self) -> int:
        """Milliseconds added to every window for a clock of whole minutes; 0 for whole seconds."""
        return self.precision_ms // 2 if self.precision_ms > _BIN_MS else 0

    @property
    def jump_at(self) -> datetime | None:
        """Time of the jump."""
        return None if self.jump_at_ms is None else datetime.fromtimestamp(self.jump_at_ms // 1_000, UTC)

    def on_switch(self, start_ms: Integers) -> Integers:
        """Carrier's times converted to the switch's clock, milliseconds since 1970."""
        drifted = np.rint((start_ms - self.reference_ms) * (self.drift_ppm * 1e-6)).astype(np.int64)
        corrected = start_ms - self.offset_ms - drifted
        if self.jump_at_ms is not None:
            corrected[start_ms >= self.jump_at_ms] -= self.jump_ms
        return corrected

    @property
    def finding(self) -> str:
        """What a person should check; "" if the clocks agree."""
        if self.status == "offset_unknown":
            return "the calls do not determine the offset of the clocks; 0 is used"
        findings = [f"{self.two_clocks}; each record is read by the clock that fits"] if self.two_clocks else []
        if _is_zone(self.offset_ms):
            findings.append(f"zone or DST error of {round(self.offset_ms / _QUARTER_MS) / 4:g} h")
        if self.jump_at is not None:
            hours = round(self.jump_ms / _QUARTER_MS) / 4
            findings.append(f"clock jumps by {hours:g} h at {self.jump_at:%Y-%m-%d %H:%M}Z: DST in local times")
        if abs(self.drift_ppm) >= _STEADY_PPM:
            findings.append(f"clock drifts by {self.drift_ppm:.0f} ppm")
        return "; ".join(findings)


def clock_between(switch: Calls, carrier: Calls, rules: Rules) -> Clock:
    """The clock estimated from the calls, or with the offset that the rules state.

    If the carrier records the INVITE instead of the answer, the differences spread by the ringing times. The offset is
    then estimated from the times of the INVITE.
    """
    by_answer = _clock_of(switch, carrier, rules)
    if (
        switch.ringing_ms is None
        or rules.offset_ms is not None
        or (by_answer.status == "found" and by_answer.spread_ms < _RINGING_SPREAD_MS)
    ):
        return by_answer
    by_invite = _clock_of(switch.from_invite(), carrier, rules)
    fits_better = by_invite.status == "found" and (
        by_answer.status != "found" or by_invite.spread_ms * 2 < by_answer.spread_ms
    )
    return by_invite if fits_better else by_answer


def _clock_of(switch: Calls, carrier: Calls, rules: Rules) -> Clock:
    precision = rules.precision_ms or _precision(carrier)
    times, lags = _unique_call_lags(switch, carrier, with_caller=True)
    if len(times) < _LEAST_PAIRS:
        times, lags = _unique_call_lags(switch, carrier, with_caller=False)
    if rules.offset_ms is not None:
        near = np.abs(lags - rules.offset_ms) <= _AROUND_MS
        spread = int(np.median(np.abs(lags[near] - rules.offset_ms))) if near.any() else 0
        return Clock("given", rules.offset_ms, spread_ms=spread, pairs=int(near.sum()), precision_ms=precision)
    return _estimated(times, lags, precision)


def _precision(carrier: Calls) -> int:
    whole = carrier.count >= _LEAST_PAIRS and not (carrier.start_ms % _MINUTE_MS).any()
    return _MINUTE_MS if whole else _BIN_MS


def _unique_call_lags(switch: Calls, carrier: Calls, *, with_caller: bool) -> tuple[Integers, Integers]:
    """Carrier's times and time differences, by time, of calls whose numbers occur once on each side."""
    of_switch, of_carrier = [calls.block() if with_caller else calls.dialled for calls in (switch, carrier)]
    usable = [calls.billable & (calls.dialled != 0) for calls in (switch, carrier)]
    if with_caller:
        usable = [rows & ~calls.withheld for rows, calls in zip(usable, (switch, carrier), strict=True)]
    share = -(-max(switch.count, carrier.count) // _SAMPLE)
    if share > 1:
        # The same sample of the keys on both sides.
        limit = np.uint64(2**64 // share)
        usable = [rows & (keys <= limit) for rows, keys in zip(usable, (of_switch, of_carrier), strict=True)]
    rows_a, rows_b = _single(of_switch, usable[0]), _single(of_carrier, usable[1])
    rows_a, rows_b = _of_equal_keys(of_switch, rows_a, of_carrier, rows_b)
    times = carrier.start_ms[rows_b]
    lags = times - switch.start_ms[rows_a]
    near = np.abs(lags) <= _REACH_MS
    times, lags = times[near], lags[near]
    by_time = np.lexsort((lags, times))
    return times[by_time], lags[by_time]


def _of_equal_keys(
    keys_a: Hashes, rows_a: npt.NDArray[np.int64], keys_b: Hashes, rows_b: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of rows with equal keys; both are in the order of their keys, which are unique."""
    if not (len(rows_a) and len(rows_b)):
        return rows_a[:0], rows_b[:0]
    wanted, among = keys_a[rows_a], keys_b[rows_b]
    place = np.minimum(np.searchsorted(among, wanted), len(among) - 1)
    equal = among[place] == wanted
    return rows_a[equal], rows_b[place[equal]]


def _single(keys: Hashes, usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Usable rows whose key is unique among them, in the order of their keys."""
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(keys[rows])]
    ordered = keys[rows]
    new = np.ones(len(rows) + 1, np.bool_)
    new[1:-1] = ordered[1:] != ordered[:-1]
    return rows[new[1:] & new[:-1]]


def _estimated(times: Integers, lags: Integers, precision: int) -> Clock:
    unknown = Clock(pairs=len(lags), precision_ms=precision)
    if len(lags) < _LEAST_PAIRS:
        return unknown
    reference = int(times[len(times) // 2])
    first_guess = _drift(times, lags, reference)
    for rate in dict.fromkeys((0.0, first_guess)):
        level = lags - np.rint((times - reference) * rate).astype(np.int64)
        first, second, second_at = _peaks(level, precision)
        if first[1] >= _CLEAR_RATIO * max(second, 1):
            clock = _refined_clock(times, lags, rate, first[0], precision)
            one_clock = clock.drift_ppm or second < _FEW_SHARE * first[1] or _is_zone(second_at - first[0])
            return clock if one_clock else _with_second(clock, times, lags, (first[0], second_at))
        if second >= first[1] * _SECOND_SHARE and _is_zone(second_at - first[0]):
            jumped = _clock_with_jump(times, level, first[0], second_at, precision)
            if jumped is not None:
                return jumped
        if rate == 0 and second >= _SECOND_SHARE_OF_TWO * first[1]:
            clock = _with_second(
                _refined_clock(times, lags, 0.0, first[0], precision, steady=True),
                times,
                lags,
                (first[0], second_at),
            )
            if clock.second_ms is not None:
                return clock
    return unknown


def _with_second(clock: Clock, times: Integers, lags: Integers, offsets: tuple[int, int]) -> Clock:
    """The clock with its second offset, and words about both: a clock that was set during the day, or two gateways."""
    near = [np.abs(lags - offset) <= _BIN_MS * 5 for offset in offsets]
    if min(part.sum() for part in near) < _LEAST_PAIRS // 3:
        return clock
    second_ms = int(np.median(lags[near[1]]))
    return replace(clock, second_ms=second_ms, two_clocks=_words_of_two(times, lags, offsets, near))


def _words_of_two(times: Integers, lags: Integers, offsets: tuple[int, int], near: list[npt.NDArray[np.bool_]]) -> str:
    # A clock that is set back writes the same times twice; on the switch's clock, one part follows the other.
    moments = times - lags
    first, second = sorted(zip(offsets, near, strict=True), key=lambda part: float(np.median(moments[part[1]])))
    parts = [
        f"{part.sum()} calls differ by about {round(float(np.median(lags[part])) / 1_000)} s"
        for _, part in (first, second)
    ]
    if np.quantile(moments[first[1]], 1 - _STRAY) < np.quantile(moments[second[1]], _STRAY):
        at = datetime.fromtimestamp(int(np.quantile(moments[second[1]], _STRAY)) // 1_000, UTC)
        return f"the carrier's clock was set before {at:%Y-%m-%d %H:%M}Z: {parts[0]}, then {parts[1]}"
    return f"the file has two clocks, as of two gateways: {parts[0]}, {parts[1]}"


def _peaks(lags: Integers, precision: int) -> tuple[tuple[int, int], int, int]:
    """Position and height of the mode, then height and position of the highest bin away from it; smoothed over bins."""
    bins = np.bincount(((lags + _REACH_MS + _BIN_MS) // _BIN_MS).clip(0), minlength=2 * _REACH_MS // _BIN_MS + 3)
    width = max(3, precision // _BIN_MS)
    smooth = np.convolve(bins, np.ones(width, np.int64), "same")
    top = int(smooth.argmax())
    first = int(smooth[top])
    around = (_AROUND_MS + precision) // _BIN_MS
    rest = smooth.copy()
    rest[max(0, top - around) : top + around + 1] = 0
    other = int(rest.argmax())
    centres = (np.array([top, other]) - 1) * _BIN_MS - _REACH_MS + _BIN_MS // 2
    return (int(centres[0]), first), int(rest[other]), int(centres[1])


def _drift(times: Integers, lags: Integers, reference: int) -> float:
    """Slope of the modes of consecutive time slices: robust against wrong pairs, cannot detect a jump."""
    pieces = [part for part in np.array_split(np.arange(len(times)), _PIECES) if len(part) >= _LEAST_PAIRS]
    if len(pieces) < 3:  # noqa: PLR2004 - a line through two points proves nothing
        return 0.0
    middle = np.array([np.median(times[part]) for part in pieces]) - reference
    level = np.array([_peaks(lags[part], _BIN_MS)[0][0] for part in pieces], np.float64)
    one, other = np.triu_indices(len(pieces), 1)
    apart = middle[other] - middle[one]
    return float(np.median((level[other] - level[one])[apart > 0] / apart[apart > 0])) if (apart > 0).any() else 0.0


def _refined_clock(
    times: Integers, lags: Integers, rate: float, mode: int, precision: int, *, steady: bool = False
) -> Clock:
    """Offset and drift from the hourly medians of the differences near the mode."""
    reach = _AROUND_MS + precision // 2
    reference = int(times[len(times) // 2])
    level = lags - (times - reference) * rate
    near = np.abs(level - mode) <= reach
    times, lags, level = times[near], lags[near], level[near]
    centre = float(np.median(level))
    slope = 0.0 if steady else _slope_of_hours(times - reference, level - centre)
    drift = rate + slope
    if abs(drift) * 1e6 < _STEADY_PPM and rate == 0:
        drift = 0.0
    residual = lags - (times - reference) * drift
    offset = int(np.rint(np.median(residual)))
    spread = int(np.rint(np.median(np.abs(residual - offset))))
    return Clock("found", offset, drift * 1e6, reference, spread, len(times), precision)


def _slope_of_hours(times: Floats | Integers, level: Floats) -> float:
    """Weighted least squares through the hourly medians; 0 unless it exceeds four standard errors."""
    hours = times // _HOUR_MS
    starts = np.flatnonzero(np.r_[True, hours[1:] != hours[:-1]])
    sizes = np.diff(np.r_[starts, len(times)])
    full = sizes >= _LEAST_PAIRS
    if full.sum() < 3:  # noqa: PLR2004 - as above
        return 0.0
    parts = [slice(start, start + size) for start, size in zip(starts[full], sizes[full], strict=True)]
    x = np.array([np.mean(times[part]) for part in parts])
    y = np.array([np.median(level[part]) for part in parts])
    weight = sizes[full] / sizes[full].sum()
    x = x - (weight * x).sum()
    y = y - (weight * y).sum()
    across = float((weight * x * x).sum())
    slope = float((weight * x * y).sum() / across)
    error = float(np.sqrt((weight * (y - slope * x) ** 2).sum() / max(len(x) - 2, 1) / across))
    return slope if abs(slope) > 4 * error else 0.0


def _clock_with_jump(times: Integers, lags: Integers, one: int, other: int, precision: int) -> Clock | None:
    """Clock with one jump between two offsets; None if no single moment separates them."""
    reach = _AROUND_MS + precision // 2
    is_one, is_other = np.abs(lags - one) <= reach, np.abs(lags - other) <= reach
    explained = is_one | is_other
    sign = np.where(is_one[explained], 1, -1)
    before = np.r_[0, np.cumsum(sign)]
    balance = 2 * before - before[-1]
    cut = int(np.abs(balance).argmax())
    starts_with_one = balance[cut] > 0
    agreeing = (np.abs(balance[cut]) + len(sign)) / 2
    if agreeing < _PURE * len(sign) or cut < _LEAST_PAIRS // 3 or len(sign) - cut < _LEAST_PAIRS // 3:
        return None
    times, levels = times[explained], lags[explained]
    early, after = (levels[:cut], levels[cut:])
    low = early[np.abs(early - (one if starts_with_one else other)) <= reach]
    high = after[np.abs(after - (other if starts_with_one else one)) <= reach]
    offset = int(np.median(low))
    jump = round((int(np.median(high)) - offset) / _QUARTER_MS) * _QUARTER_MS
    residual = np.r_[low - offset, high - offset - jump]
    spread = int(np.median(np.abs(residual)))
    return Clock("found", offset, 0.0, int(times[0]), spread, len(residual), precision, int(times[cut]), jump)


def _is_zone(offset_ms: int) -> bool:
    quarters = round(offset_ms / _QUARTER_MS)
    return quarters != 0 and abs(offset_ms - quarters * _QUARTER_MS) <= _ZONE_SLACK_MS
