"""A day of calls as the switch and a carrier see it, with faults put in on purpose and the truth beside it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import polars as pl

from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.inputs.columns import SIDE_SCHEMA
from cdr_pipeline.core.reconcile.inputs.rates import Increment, Rate, RateCard
from cdr_pipeline.core.reconcile.inputs.rules import Rules

MIDNIGHT: Final = round(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1_000)
DAY_MS: Final = 86_400_000
FEE: Final = 2_000_000
PER_MINUTE: Final = np.array([900, 1_250, 1_800, 2_400, 3_300, 4_100, 7_700, 11_900, 23_500]) * 10_000
PLACES: Final = 4


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. Shares are of calls; times in milliseconds.

    ``wrong_money`` is a share of calls whose amount is wrong by the ``money_fault``: rate, increment, rounding, fee or
    currency. ``prefixes`` writes the carrier's numbers as national, 00 and with a technical prefix. ``tail_ms`` is the
    mean of the heavy tail; lengths are e to the power of a normal number with the typical length and spread.
    """

    missing_at_carrier: float = 0.0
    missing_in_switch: float = 0.0
    duplicates_a: float = 0.0
    duplicates_b: float = 0.0
    twins: float = 0.0
    offset_ms: int = 0
    drift_ppm: float = 0.0
    jitter_ms: int = 0
    heavy_tail: float = 0.0
    late: float = 0.0
    moved: float = 0.0
    increment: Increment = field(default_factory=Increment)
    off_by_second: float = 0.0
    wrong_length: float = 0.0
    wrong_money: float = 0.0
    money_fault: str = "rate"
    withheld: float = 0.0
    prefixes: bool = False
    hot_numbers: float = 0.0
    one_hot: float = 0.0
    redials: float = 0.0
    jump_at_hour: int | None = None
    cut_at_hour: int | None = None
    whole_minutes: bool = False
    unanswered: float = 0.0
    answered_once: float = 0.0
    tail_ms: int = 4_000
    typical_length: float = 4.2
    spread_of_lengths: float = 1.1


@dataclass(frozen=True, slots=True)
class KnownTruth:
    """Two sides and what they are.

    Attributes:
        switch, carrier: ``SIDE_SCHEMA``, shuffled.
        pairs: ``switch_row_id, carrier_row_id``.
        classes: ``row_id, class, amount`` of every row of both sides.
        rules: what a carrier with these increments and prices is compared by.
    """

    switch: pl.DataFrame
    carrier: pl.DataFrame
    pairs: pl.DataFrame
    classes: pl.DataFrame
    rules: Rules


def billed(duration_ms: Any, increment: Increment) -> Any:
    """Billed seconds, written the long way round: steps are counted, not computed with a formula of the core's."""
    seconds = np.ceil(duration_ms / 1_000)
    steps = np.ceil(np.maximum(seconds - increment.first_seconds, 0) / increment.next_seconds)
    return np.where(duration_ms > 0, increment.first_seconds + steps * increment.next_seconds, 0).astype(np.int64)


def priced(seconds: Any, rate: Any, fee: int = FEE, places: int = PLACES) -> Any:
    """Units of 1e-8, half up at ``places``."""
    step = 60 * 10 ** (8 - places)
    return np.where(seconds > 0, (seconds * rate + fee * 60 + step // 2) // step * 10 ** (8 - places), 0)


def card(increment: Increment) -> RateCard:
    """The carrier's prices: one destination for each first digit after the country code."""
    rates = [
        Rate(f"49{digit}", f"zone {digit}", Decimal(int(price)).scaleb(-8), increment, Decimal(FEE).scaleb(-8), "EUR")
        for digit, price in enumerate(PER_MINUTE, start=1)
    ]
    return RateCard(tuple(rates), PLACES)


def calls_of_a_day(count: int, faults: Faults, *, seed: int = 1, days: int = 1) -> KnownTruth:
    """So many answered calls, and what either side made of them."""
    made = _Day(count, faults, seed, days)
    return made.truth()


class _Day:
    def __init__(self, count: int, faults: Faults, seed: int, days: int) -> None:
        self.faults = faults
        self.random = random = np.random.default_rng(seed)
        self.count = count
        span = days * DAY_MS
        self.span = span
        self.callee = random.integers(100_000_000, 999_999_999, count)
        hot = random.random(count) < faults.hot_numbers
        self.callee[hot] = 300_000_000 + random.integers(0, 50, int(hot.sum()))
        self.callee[random.random(count) < faults.one_hot] = 555_555_555
        self.caller = 200_000_000 + random.integers(0, max(count // 8, 10), count)
        self.start = MIDNIGHT + random.integers(0, span - 3_600_000, count)
        again = np.flatnonzero(random.random(count) < faults.redials)
        again = again[(again > 0) & ~np.isin(again - 1, again)]
        self.caller[again], self.callee[again] = self.caller[again - 1], self.callee[again - 1]
        self.start[again] = self.start[again - 1] + random.integers(3_000, 16_000, len(again))
        self.length = (
            (np.exp(random.normal(faults.typical_length, faults.spread_of_lengths, count)) * 1_000)
            .clip(2_000, 7_200_000)
            .astype(np.int64)
        )
        self.length = self.length // 1_000 * 1_000
        self.rate = PER_MINUTE[self.callee // 100_000_000 - 1]

    def share(self, of: float) -> Any:
        return self.random.random(self.count) < of

    def truth(self) -> KnownTruth:  # noqa: PLR0915 - the day is told in one piece, fault after fault
        faults, random = self.faults, self.random
        a_start = self.start // 1_000 * 1_000
        lost_b = self.share(faults.missing_at_carrier)
        lost_a = self.share(faults.missing_in_switch) & ~lost_b
        both = ~lost_a & ~lost_b
        # The carrier's clock.
        late = self.share(faults.late) & both
        moved = self.share(faults.moved) & both & ~late & (self.length >= 20_000)
        b_start = self.start + faults.offset_ms
        b_start = b_start + np.rint((self.start - MIDNIGHT) * faults.drift_ppm * 1e-6).astype(np.int64)
        if faults.jump_at_hour is not None:
            b_start = b_start + np.where(self.start >= MIDNIGHT + faults.jump_at_hour * 3_600_000, 3_600_000, 0)
        b_start = b_start + np.rint(random.normal(0, faults.jitter_ms, self.count)).astype(np.int64)
        tail = self.share(faults.heavy_tail)
        b_start = b_start + np.where(tail, random.exponential(faults.tail_ms, self.count).clip(0, 24_000), 0).astype(
            np.int64
        )
        b_start[late] += random.integers(45_000, 110_000, int(late.sum()))
        b_start[moved] += 7_200_000
        step = 60_000 if faults.whole_minutes else 1_000
        b_start = b_start // step * step
        # The carrier's meter.
        off = self.share(faults.off_by_second) & both
        wrong = self.share(faults.wrong_length) & both & ~late & ~moved
        measured = self.length + np.where(off & ~late & ~moved, random.choice([-1_000, 1_000], self.count), 0)
        change = random.integers(70_000, 400_000, self.count) * random.choice([-1, 1], self.count)
        measured = np.where(
            wrong, np.where(self.length + change > 1_000, self.length + change, self.length * 2 + 150_000), measured
        )
        b_seconds = billed(measured, faults.increment)
        # Its prices.
        bad_money = self.share(faults.wrong_money) & both & ~late & ~moved & ~wrong
        currency = np.full(self.count, "EUR", object) if faults.money_fault == "currency" else None
        amount = priced(b_seconds, self.rate)
        right = amount.copy()
        if faults.money_fault == "rate":
            amount = np.where(bad_money, priced(b_seconds, self.rate + 300_000), amount)
        elif faults.money_fault == "increment":
            amount = np.where(bad_money, priced(billed(measured, Increment(60, 60)), self.rate), amount)
        elif faults.money_fault == "rounding":
            amount = np.where(bad_money, priced(b_seconds, self.rate, places=6), amount)
        elif faults.money_fault == "fee":
            amount = np.where(bad_money, priced(b_seconds, self.rate, fee=0), amount)
        elif currency is not None:
            currency[bad_money] = "USD"
        else:
            raise ValueError(faults.money_fault)
        bad_money = bad_money & ((amount != right) | (faults.money_fault == "currency"))
        # Calls that only one side says were answered.
        once_a = self.share(faults.answered_once) & both & ~late & ~moved & ~wrong & ~bad_money & ~off
        # Classes.
        exact = b_seconds == billed(self.length, faults.increment)
        kind = np.where(exact, "matched", "matched_tol").astype(object)
        kind[wrong] = "duration_mismatch"
        kind[bad_money] = "cost_mismatch"
        kind[late | moved] = "time_mismatch"
        kind[once_a] = "answer_mismatch"
        a_kind, b_kind = kind.copy(), kind.copy()
        a_kind[lost_b] = "missing_at_carrier"
        b_kind[lost_a] = "missing_in_switch"
        here_a, here_b = ~lost_a, ~lost_b
        if faults.cut_at_hour is not None:
            gone = self.start + faults.offset_ms >= MIDNIGHT + faults.offset_ms + faults.cut_at_hour * 3_600_000
            here_b &= ~gone
            a_kind[gone] = "out_of_interval"
        paired = here_a & here_b
        number = np.arange(self.count)
        hidden = self.share(faults.withheld)
        a = self._frame("a", number, a_start, self.length, priced(billed(self.length, faults.increment), self.rate))
        b_length = np.where(once_a, 0, b_seconds * 1_000)
        b = self._frame("b", number, b_start, b_length, np.where(once_a, 0, amount)).with_columns(
            caller=pl.when(~pl.Series(hidden)).then("caller"),
            answered=pl.Series(~once_a),
        )
        if currency is not None:
            b = b.with_columns(currency=pl.Series(currency.tolist(), dtype=pl.String))
        a = a.with_columns(kind=pl.Series(a_kind.tolist(), dtype=pl.String)).filter(pl.Series(here_a))
        b = b.with_columns(kind=pl.Series(b_kind.tolist(), dtype=pl.String)).filter(pl.Series(here_b))
        pairs = pl.DataFrame({"switch_row_id": _ids("a", number[paired]), "carrier_row_id": _ids("b", number[paired])})
        a, b, pairs = self._twins(a, b, pairs)
        a = self._repeated(a, faults.duplicates_a, "dup_a")
        twice = pl.Series("b" + a.filter(pl.col("kind") == "dup_a")["row_id"].str.slice(1, 9))
        b = self._repeated(b, faults.duplicates_b, "dup_b", twice)
        a = self._attempts(a)
        if faults.prefixes:
            b = b.with_columns(_rewritten("caller", random), _rewritten("callee", random))
        classes = pl.concat([a.select("row_id", "kind", "amount"), b.select("row_id", "kind", "amount")])
        return KnownTruth(
            _shuffled(a.select(SIDE_SCHEMA.keys()), random),
            _shuffled(b.select(SIDE_SCHEMA.keys()), random),
            pairs,
            classes.rename({"kind": "class"}),
            self._rules(),
        )

    def _rules(self) -> Rules:
        rules = Rules(
            increment=self.faults.increment,
            rate_card=card(self.faults.increment),
            currency="EUR",
            rounding_places=PLACES,
        )
        if self.faults.prefixes:
            plan = NumberPlan(country_code="49", tech_prefix="9999#")
            return replace(rules, carrier_plan=plan)
        return rules

    def _frame(self, prefix: str, number: Any, start: Any, length: Any, amount: Any) -> pl.DataFrame:
        money = pl.Series(amount).cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 8)) * pl.Series(
            [Decimal("0.00000001")], dtype=pl.Decimal(38, 8)
        )
        return pl.DataFrame(
            dict.fromkeys(SIDE_SCHEMA)
            | {
                "row_id": _ids(prefix, number),
                "call_id": pl.repeat(None, len(number), dtype=pl.String, eager=True),
                "caller": "+49" + pl.Series(self.caller).cast(pl.String),
                "callee": "+49" + pl.Series(self.callee).cast(pl.String),
                "started_at": pl.Series(start * 1_000).cast(pl.Datetime("us", "UTC")),
                "duration_ms": pl.Series(length, dtype=pl.Int64),
                "amount": money.cast(pl.Decimal(18, 8)),
                "currency": pl.repeat("EUR", len(number), eager=True),
                "answered": pl.repeat(value=True, n=len(number), eager=True),
                "destination": pl.repeat(None, len(number), dtype=pl.String, eager=True),
            },
            schema=SIDE_SCHEMA,
        )

    def _twins(self, a: pl.DataFrame, b: pl.DataFrame, pairs: pl.DataFrame) -> Any:
        """Some calls happened twice, alike in everything either side writes."""
        if not self.faults.twins:
            return a, b, pairs
        chosen = pairs.filter(pl.Series(self.random.random(pairs.height) < self.faults.twins))
        more = chosen.select(pl.all() + "x")
        of_a = a.join(chosen.select(row_id="switch_row_id"), on="row_id").with_columns(pl.col("row_id") + "x")
        of_b = b.join(chosen.select(row_id="carrier_row_id"), on="row_id").with_columns(pl.col("row_id") + "x")
        return pl.concat([a, of_a]), pl.concat([b, of_b]), pl.concat([pairs, more])

    def _repeated(self, rows: pl.DataFrame, share: float, kind: str, but: pl.Series | None = None) -> pl.DataFrame:
        """Some rows stand in the file twice; where both sides' do, nobody can tell them from two calls."""
        if not share:
            return rows
        alone = ~pl.col("row_id").str.ends_with("x") & ~pl.col("kind").is_in(["answer_mismatch", "out_of_interval"])
        if but is not None:
            alone &= ~pl.col("row_id").is_in(but.implode())
        chosen = rows.filter(pl.Series(self.random.random(rows.height) < share)).filter(alone)
        return pl.concat([rows, chosen.with_columns(pl.col("row_id") + "z", kind=pl.lit(kind))])

    def _attempts(self, a: pl.DataFrame) -> pl.DataFrame:
        """Calls that nobody answered, which only the switch records."""
        if not self.faults.unanswered:
            return a
        chosen = a.filter(pl.Series(self.random.random(a.height) < self.faults.unanswered))
        return pl.concat(
            [
                a,
                chosen.with_columns(
                    pl.col("row_id") + "n",
                    pl.col("started_at") - pl.duration(seconds=40),
                    duration_ms=pl.lit(0, pl.Int64),
                    amount=pl.lit(None, pl.Decimal(18, 8)),
                    answered=pl.lit(value=False),
                    kind=pl.lit("unbillable"),
                ).select(a.columns),
            ]
        )


def _ids(prefix: str, number: Any) -> pl.Series:
    return prefix + pl.Series(number).cast(pl.String).str.zfill(9)


def _shuffled(rows: pl.DataFrame, random: Any) -> pl.DataFrame:
    return rows[random.permutation(rows.height)]


def _rewritten(name: str, random: Any) -> pl.Expr:
    """Numbers as a carrier may write them; which way depends on the number's last digit."""
    del random
    national = pl.col(name).str.slice(3)
    way = national.str.tail(1).cast(pl.Int64) % 4
    return (
        pl.when(way == 0)
        .then(pl.lit("0") + national)
        .when(way == 1)
        .then(pl.lit("0049") + national)
        .when(way == 2)
        .then(pl.lit("9999#0049") + national)
        .otherwise(pl.lit("49") + national)
        .alias(name)
    )


MIXED: Final = Faults(
    missing_at_carrier=0.01,
    missing_in_switch=0.005,
    duplicates_a=0.001,
    duplicates_b=0.002,
    twins=0.001,
    offset_ms=3_602_400,
    jitter_ms=450,
    heavy_tail=0.02,
    late=0.001,
    increment=Increment(6, 6),
    off_by_second=0.15,
    wrong_length=0.004,
    wrong_money=0.003,
    withheld=0.05,
    hot_numbers=0.1,
    redials=0.06,
)

# No weight and no threshold was ever set by looking at these: other shares, delays, lengths, steps and clocks.
HELD_OUT: Final = Faults(
    missing_at_carrier=0.02,
    missing_in_switch=0.012,
    duplicates_a=0.002,
    duplicates_b=0.001,
    twins=0.0005,
    offset_ms=-5_401_700,
    drift_ppm=20.0,
    jitter_ms=700,
    heavy_tail=0.035,
    tail_ms=2_500,
    late=0.002,
    increment=Increment(30, 6),
    off_by_second=0.1,
    wrong_length=0.006,
    wrong_money=0.005,
    money_fault="fee",
    withheld=0.08,
    hot_numbers=0.15,
    redials=0.09,
    typical_length=3.8,
    spread_of_lengths=1.4,
)

# Each alone, on clocks that differ by a little and calls that are redialled.
_PLAIN: Final = Faults(jitter_ms=450, redials=0.03)
SCENARIOS: Final[dict[str, Faults]] = {
    "nothing": Faults(),
    "missing at carrier": replace(_PLAIN, missing_at_carrier=0.01),
    "missing in switch": replace(_PLAIN, missing_in_switch=0.01),
    "duplicates": replace(_PLAIN, duplicates_a=0.005, duplicates_b=0.01),
    "real twins": replace(_PLAIN, twins=0.01),
    "offset +1 h": replace(_PLAIN, offset_ms=3_600_000),
    "offset -1 h": replace(_PLAIN, offset_ms=-3_600_000),
    "offset +3 s": replace(_PLAIN, offset_ms=3_000),
    "offset -3 s": replace(_PLAIN, offset_ms=-3_000),
    "drift 50 ppm": replace(_PLAIN, drift_ppm=50.0),
    "jitter": replace(_PLAIN, jitter_ms=900),
    "heavy tail": replace(_PLAIN, heavy_tail=0.03),
    "late records": replace(_PLAIN, late=0.005),
    "moved by a zone": replace(_PLAIN, moved=0.005),
    "increment 6/6": replace(_PLAIN, increment=Increment(6, 6), off_by_second=0.15),
    "increment 30/6": replace(_PLAIN, increment=Increment(30, 6), off_by_second=0.15),
    "increment 60/6": replace(_PLAIN, increment=Increment(60, 6), off_by_second=0.15),
    "increment 60/60": replace(_PLAIN, increment=Increment(60, 60), off_by_second=0.15),
    "wrong lengths": replace(_PLAIN, wrong_length=0.01),
    "wrong rate": replace(_PLAIN, wrong_money=0.01, money_fault="rate"),
    "wrong increment": replace(_PLAIN, wrong_money=0.01, money_fault="increment"),
    "wrong rounding": replace(_PLAIN, wrong_money=0.01, money_fault="rounding"),
    "missing fee": replace(_PLAIN, wrong_money=0.01, money_fault="fee"),
    "wrong currency": replace(_PLAIN, wrong_money=0.01, money_fault="currency"),
    "withheld callers": replace(_PLAIN, withheld=0.1, hot_numbers=0.05),
    "prefixes": replace(_PLAIN, prefixes=True),
    "hot numbers": replace(_PLAIN, hot_numbers=0.3, withheld=0.05),
    "a number with a third of all": replace(_PLAIN, one_hot=0.33, withheld=0.05),
    "redials within seconds": replace(_PLAIN, redials=0.2, missing_at_carrier=0.003),
    "clock jumps (DST day)": replace(_PLAIN, jump_at_hour=13),
    "file cut short": replace(_PLAIN, cut_at_hour=17),
    "whole minutes": replace(_PLAIN, whole_minutes=True),
    "unanswered": replace(_PLAIN, unanswered=0.3),
    "answered on one side": replace(_PLAIN, answered_once=0.01, unanswered=0.1),
    "mixed": MIXED,
}
