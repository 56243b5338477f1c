"""Habits of carriers on days with known truth: each changes the carrier's side or the rules, and what is right."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np
import polars as pl

from cdr_pipeline.core.reconcile.clock.repeated_hour import settle_repeated_hour
from cdr_pipeline.core.reconcile.inputs.columns import RINGING_SCHEMA, SIDE_SCHEMA
from cdr_pipeline.core.reconcile.inputs.rates import Increment
from tests.support.known_truth import Faults, KnownTruth, calls_of_a_day, card, priced

# Of the records with one last digit: one in a hundred of all.
_SHARE: Final = 0.1
_MONEY: Final = pl.Decimal(18, 8)
_TAXED: Final = "+495"
_UNPRICED: Final = "+499"
_NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
_ZONE: Final = "Europe/Berlin"
_CLOCKS_GO_BACK: Final = datetime(2026, 10, 25, tzinfo=UTC)
_RAISED: Final = Decimal("0.01")
_ID_LENGTH: Final = 10


def day_with_habit(name: str, calls: int, *, seed: int = 1) -> KnownTruth:
    """A day of calls on clocks that differ by a little, with one habit; or with ``all habits``."""
    truth = calls_of_a_day(calls, Faults(jitter_ms=450, redials=0.03), seed=seed)
    names = [other for other in HABITS if other not in _WHOLE_FILES] if name == MIXED_HABITS else [name]
    for habit in names:
        truth = HABITS[habit](truth, np.random.default_rng(seed))
    return truth


def _chosen(truth: KnownTruth, random: np.random.Generator, digit: str, least_seconds: int = 2) -> pl.Series:
    """Ids of some matched records of the carrier. Each habit has a last digit of its own, so that no two meet."""
    plain = (pl.col("row_id").str.len_chars() == _ID_LENGTH) & pl.col("row_id").str.ends_with(digit)
    matched = truth.classes.filter(pl.col("class") == "matched")["row_id"]
    no_zone = ~pl.col("callee").str.starts_with(_TAXED) & ~pl.col("callee").str.starts_with(_UNPRICED)
    pool = truth.carrier.sort("row_id").filter(
        plain, no_zone, pl.col("row_id").is_in(matched.implode()), pl.col("duration_ms") >= 1_000 * least_seconds
    )["row_id"]
    return pool.filter(pl.Series(random.random(len(pool)) < _SHARE))


def _with(truth: KnownTruth, carrier: pl.DataFrame, kinds: dict[str, str] | None = None) -> KnownTruth:
    """The truth with another side of the carrier; rows have their class, unless it is named."""
    classes = dict(truth.classes.select("row_id", "class").rows()) | (kinds or {})
    money = pl.concat([truth.switch.select("row_id", "amount"), carrier.select("row_id", "amount")])
    labels = [classes.get(row_id) or classes[row_id[:_ID_LENGTH]] for row_id in money["row_id"]]
    rows = money.select("row_id", pl.Series("class", labels), "amount")
    return replace(truth, carrier=carrier.select(SIDE_SCHEMA.keys()), classes=rows)


def _split(truth: KnownTruth, random: np.random.Generator) -> KnownTruth:
    """Some calls are charged in two parts that follow each other and cost what the call costs.

    The same two numbers may have another call at that time.
    """
    is_split = pl.col("row_id").is_in(_chosen(truth, random, "1", 60).implode())
    whole, rest = truth.carrier.filter(is_split), truth.carrier.filter(~is_split)
    first = pl.col("duration_ms") // 2_000 * 1_000
    part = (pl.col("amount") / 2).round(4).cast(_MONEY)
    one = whole.with_columns(duration_ms=first, amount=part)
    two = whole.with_columns(
        pl.col("row_id") + "p",
        started_at=pl.col("started_at") + pl.duration(milliseconds=first),
        duration_ms=pl.col("duration_ms") - first,
        amount=(pl.col("amount") - part).cast(_MONEY),
    )
    return _with(truth, pl.concat([rest, one, two]))


def _credited(truth: KnownTruth, random: np.random.Generator) -> KnownTruth:
    """Some calls are charged three times too high, credited and charged again."""
    is_wrong = pl.col("row_id").is_in(_chosen(truth, random, "2").implode())
    right = truth.carrier.filter(is_wrong)
    wrong = right.with_columns(pl.col("row_id") + "w", amount=(pl.col("amount") * 3).cast(_MONEY))
    credit = wrong.with_columns(pl.col("row_id") + "c", amount=-pl.col("amount"))
    kinds = dict.fromkeys([*wrong["row_id"], *credit["row_id"]], "credited")
    return _with(truth, pl.concat([truth.carrier, wrong, credit]), kinds)


def _ringing(truth: KnownTruth, random: np.random.Generator) -> KnownTruth:
    """Some calls are charged from the first ring; the switch knows how long each rang."""
    rang = pl.Series("ringing_ms", random.integers(5, 40, truth.switch.height) * 1_000)
    switch = truth.switch.with_columns(rang).with_columns(
        invited_at=pl.col("started_at") - pl.duration(milliseconds="ringing_ms")
    ).cast(pl.Schema(SIDE_SCHEMA | RINGING_SCHEMA))  # fmt: skip
    by_record = truth.pairs.join(
        switch.select("row_id", "ringing_ms"), left_on="switch_row_id", right_on="row_id"
    ).select(row_id="carrier_row_id", ring="ringing_ms")
    is_longer = pl.col("row_id").is_in(_chosen(truth, random, "3", 60).implode())
    longer = truth.carrier.filter(is_longer).join(by_record, on="row_id")
    longer = longer.with_columns(
        started_at=pl.col("started_at") - pl.duration(milliseconds="ring"),
        duration_ms=pl.col("duration_ms") + pl.col("ring"),
    ).select(truth.carrier.columns)
    longer = longer.with_columns(amount=_prices(longer, truth))
    pairs = truth.pairs.filter(pl.col("carrier_row_id").is_in(longer["row_id"].implode()))
    ids = [*longer["row_id"], *pairs["switch_row_id"]]
    changed = replace(truth, switch=switch)
    return _with(
        changed, pl.concat([truth.carrier.filter(~is_longer), longer]), dict.fromkeys(ids, "duration_mismatch")
    )


def _prices(rows: pl.DataFrame, truth: KnownTruth, more: Decimal = Decimal(0)) -> pl.Series:
    """Prices of rows by the card's rates, raised by an amount a minute."""
    rates = truth.rules.rate_card
    assert rates is not None
    units = {rate.prefix: int((rate.per_minute + more).scaleb(8)) for rate in card(Increment()).rates}
    per_minute = np.array([units[number[1:4]] for number in rows["callee"]], np.int64)
    amounts = priced(rows["duration_ms"].to_numpy() // 1_000, per_minute)
    return (pl.Series(amounts).cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 8)) / Decimal(10**8)).cast(_MONEY)


def _increments(truth: KnownTruth, _: np.random.Generator) -> KnownTruth:
    """The carrier writes and charges full minutes; one second is agreed."""
    full = ((pl.col("duration_ms") + 59_999) // 60_000) * 60_000
    carrier = truth.carrier.with_columns(duration_ms=full)
    carrier = carrier.with_columns(amount=_prices(carrier, truth))
    before = truth.carrier.select("row_id", was="duration_ms")
    other = carrier.join(before, on="row_id").filter((pl.col("duration_ms") - pl.col("was")) > 0)
    apart = dict(other.select("row_id", pl.col("duration_ms") - pl.col("was")).rows())
    by_record = dict(truth.pairs.select("carrier_row_id", "switch_row_id").rows())
    kinds: dict[str, str] = {}
    for row_id, difference in apart.items():
        kinds[row_id] = kinds[by_record[row_id]] = "duration_mismatch" if difference > 2_000 else "matched_tol"
    return _with(truth, carrier, kinds)


def _unpriced(truth: KnownTruth, _: np.random.Generator) -> KnownTruth:
    """One destination has no price in the card."""
    rates = truth.rules.rate_card
    assert rates is not None
    lacking = replace(rates, rates=tuple(rate for rate in rates.rates if rate.prefix != _UNPRICED[1:]))
    rows = pl.concat([truth.switch.select("row_id", "callee"), truth.carrier.select("row_id", "callee")])
    ids = rows.filter(pl.col("callee").str.starts_with(_UNPRICED))["row_id"]
    without = replace(truth, rules=replace(truth.rules, rate_card=lacking))
    return _with(without, truth.carrier, dict.fromkeys(ids, "unpriced"))


def _taxed(truth: KnownTruth, _: np.random.Generator) -> KnownTruth:
    """Calls to one destination cost the agreed price and 19 % tax."""
    is_taxed = pl.col("callee").str.starts_with(_TAXED)
    tax = (pl.col("amount") * Decimal("1.19")).round(4).cast(_MONEY)
    carrier = truth.carrier.with_columns(amount=pl.when(is_taxed).then(tax).otherwise("amount"))
    ids = [*truth.switch.filter(is_taxed)["row_id"], *carrier.filter(is_taxed)["row_id"]]
    return _with(truth, carrier, dict.fromkeys(ids, "cost_mismatch"))


def _one_caller(truth: KnownTruth, _: np.random.Generator) -> KnownTruth:
    """The carrier writes one caller for every call."""
    return _with(truth, truth.carrier.with_columns(caller=pl.lit("+4920000000")))


def _counter(truth: KnownTruth, _: np.random.Generator) -> KnownTruth:
    """The carrier's call ids are a counter that begins again, so that different calls have the same id."""
    again = pl.int_range(pl.len()) % 1_000
    return _with(truth, truth.carrier.with_columns(call_id=again.cast(pl.String)))


def _new_tariff(truth: KnownTruth, _: np.random.Generator) -> KnownTruth:
    """Prices rise by a cent a minute at midnight; half of the calls are moved to the day before."""
    rates = truth.rules.rate_card
    assert rates is not None
    midnight = _NOON.replace(hour=0)
    before = [replace(rate, valid_to=(midnight - timedelta(days=1)).date()) for rate in rates.rates]
    after = [replace(rate, per_minute=rate.per_minute + _RAISED, valid_from=midnight.date()) for rate in rates.rates]
    back = pl.col("started_at") - pl.duration(hours=12)
    switch = truth.switch.with_columns(started_at=back)
    records = truth.pairs.join(
        switch.select("row_id", at="started_at"), left_on="switch_row_id", right_on="row_id"
    ).select(row_id="carrier_row_id", at="at")
    carrier = truth.carrier.with_columns(started_at=back).join(records, on="row_id")
    raised = carrier.with_columns(amount=_prices(carrier, truth, _RAISED))
    carrier = carrier.with_columns(amount=pl.when(pl.col("at") >= midnight).then(raised["amount"]).otherwise("amount"))
    changed = replace(
        truth,
        switch=switch,
        rules=replace(truth.rules, rate_card=replace(rates, rates=(*before, *after))),
    )
    return _with(changed, carrier.drop("at"))


def _repeated_hour(truth: KnownTruth, _: np.random.Generator) -> KnownTruth:
    """Clocks go back on the day, and the carrier writes local times, which are read as the first pass of the hour."""
    later = pl.lit(_CLOCKS_GO_BACK - _NOON.replace(hour=0))
    switch = truth.switch.with_columns(started_at=pl.col("started_at") + later)
    local = (pl.col("started_at") + later).dt.convert_time_zone(_ZONE).dt.replace_time_zone(None)
    first = local.dt.replace_time_zone(_ZONE, ambiguous="earliest").dt.convert_time_zone("UTC")
    read = truth.carrier.with_columns(started_at=first)
    return _with(replace(truth, switch=switch), settle_repeated_hour(read, switch, _ZONE))


MIXED_HABITS: Final = "all habits"
HABITS: Final[dict[str, Callable[[KnownTruth, np.random.Generator], KnownTruth]]] = {
    "split calls": _split,
    "credits and rebills": _credited,
    "tax factor": _taxed,
    "unpriced": _unpriced,
    "ringing billed": _ringing,
    "other increments": _increments,
    "caller overwritten": _one_caller,
    "repeated call ids": _counter,
    "tariff change": _new_tariff,
    "repeated hour": _repeated_hour,
}
# Habits that change every record; they are examined alone only.
_WHOLE_FILES: Final = frozenset({"other increments", "caller overwritten", "tariff change", "repeated hour"})
