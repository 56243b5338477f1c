"""Ordinary habits of carriers: they are causes with their money, not calls that are missing."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cdr_pipeline.core.normalize.segments import join_segments
from cdr_pipeline.core.reconcile.inputs.columns import RINGING_SCHEMA, SIDE_SCHEMA
from cdr_pipeline.core.reconcile.inputs.rates import Increment, Rate, RateCard
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.result.money_totals import MONEY_TOTALS, money_totals
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled
from cdr_pipeline.core.uploads.profile import Profile, Segments
from tests.support.sides import NOON, classes_of, exposure_of, side

BERLIN = Rate("4930", "Berlin", Decimal("0.012"), Increment(1, 1), currency="EUR")
MOBILE = Rate("4915", "Mobile", Decimal("0.09"), Increment(1, 1), currency="EUR")
RULES = Rules(currency="EUR", rate_card=RateCard((BERLIN, MOBILE), places=4))


def price(seconds: int, rate: str = "0.012") -> Decimal:
    """A rounded price."""
    return (Decimal(rate) * seconds / 60).quantize(Decimal("0.0001"), "ROUND_HALF_UP")


def calls(count: int = 40) -> list[dict[str, Any]]:
    """Calls of 30 s and more to different numbers, a quarter of an hour apart, without a price."""
    return [
        {"at": 900 * n, "callee": f"+4930{1_000_000 + n}", "duration_ms": 1_000 * (30 + 7 * n), "amount": None}
        for n in range(count)
    ]


def charged(call: dict[str, Any], seconds: int | None = None, **changes: Any) -> dict[str, Any]:
    """A record of a call, by the agreed price of its length."""
    length = seconds if seconds is not None else call["duration_ms"] // 1_000
    return call | {"duration_ms": length * 1_000, "amount": price(length)} | changes


def compared(legs: list[dict[str, Any]], records: list[dict[str, Any]], rules: Rules = RULES) -> Reconciled:
    return reconcile(side(*legs), side(*records, prefix="b"), rules)


def ringing(legs: list[dict[str, Any]], seconds: list[int]) -> pl.DataFrame:
    """The switch's side with ringing times."""
    frame = side(*legs)
    rang = pl.Series("ringing_ms", [1_000 * item for item in seconds])
    return frame.with_columns(rang).with_columns(
        invited_at=pl.col("started_at") - pl.duration(milliseconds="ringing_ms")
    ).cast(pl.Schema(SIDE_SCHEMA | RINGING_SCHEMA))  # fmt: skip


def causes(result: Reconciled) -> dict[tuple[str | None, str | None], int]:
    """Number of pairs by cause and detail."""
    counts = result.pairs.group_by(pl.col("cause", "detail").cast(pl.String)).len()
    return {(cause, detail): count for cause, detail, count in counts.rows()}


def split(call: dict[str, Any], *seconds: int) -> list[dict[str, Any]]:
    """The records of a call in parts."""
    return [
        charged(call, length, at=call["at"] + sum(seconds[:number])) for number, length in enumerate(seconds)
    ]  # fmt: skip


def test_a_call_charged_in_parts_is_one_call() -> None:
    legs = calls(3)
    legs[1]["duration_ms"] = 5_700_000
    result = compared(legs, [charged(legs[0]), *split(legs[1], 1_800, 1_800, 1_800, 300), charged(legs[2])])
    assert set(classes_of(result).values()) == {"matched"}
    assert exposure_of(result) == {}
    assert result.pairs.height == 3
    assert "4 records of one call" in result.pairs["detail"].to_list()


def test_a_wrong_price_of_a_call_in_parts_counts_once() -> None:
    (leg,) = calls(1)
    leg["duration_ms"] = 3_600_000
    first, second = split(leg, 1_800, 1_800)
    result = compared([leg], [first, second | {"amount": Decimal("1.0000")}])
    assert exposure_of(result) == {"b1": Decimal("0.6400")}
    assert classes_of(result) == {"a1": "cost_mismatch", "b1": "cost_mismatch", "b2": "matched"}


def test_two_calls_that_follow_each_other_stay_two_calls() -> None:
    legs = [calls(1)[0] | {"at": at, "duration_ms": length} for at, length in ((0, 60_000), (61, 120_000))]
    result = compared(legs, [charged(leg) for leg in legs])
    assert result.pairs.height == 2
    assert result.pairs["detail"].null_count() == 2


def test_calls_in_parts_between_the_same_numbers_may_overlap() -> None:
    legs = [calls(1)[0] | {"at": at, "duration_ms": length} for at, length in ((0, 3_900_000), (100, 4_500_000))]
    records = [*split(legs[0], 1_800, 1_800, 300), *split(legs[1], 1_800, 1_800, 900)]
    result = compared(legs, records)
    assert set(classes_of(result).values()) == {"matched"}
    assert result.pairs["detail"].to_list() == ["3 records of one call"] * 2
    assert result.parts.rows() == [("b2", "a1"), ("b3", "a1"), ("b5", "a2"), ("b6", "a2")]


def test_two_calls_in_parts_may_follow_each_other() -> None:
    legs = [calls(1)[0] | {"at": at, "duration_ms": length} for at, length in ((0, 2_700_000), (2_701, 3_000_000))]
    records = [*split(legs[0], 1_800, 900), *split(legs[1], 1_800, 1_200)]
    assert compared(legs, records).pairs["detail"].to_list() == ["2 records of one call"] * 2


def test_a_short_call_before_a_long_one_stays_a_call() -> None:
    legs = [calls(1)[0] | {"at": at, "duration_ms": length} for at, length in ((0, 2_000), (3, 174_000))]
    assert compared(legs, [charged(leg) for leg in legs]).pairs["detail"].null_count() == 2


def test_segments_add_up_amounts_with_decimals() -> None:
    records = pl.DataFrame(
        {
            "line": [1, 2],
            "raw": ["", ""],
            "ref": ["c", "c"],
            "part": ["1", "0"],
            "s": ["60", "23"],
            "m": ["0.02", "0.0077"],
        }
    )
    profile = Profile("p", "", segments=Segments(("ref",), "part", "1", ("s", "m")))
    assert join_segments(records, profile).rows.select("s", "m").row(0) == ("83", "0.0277")


def test_a_charge_with_credit_and_rebill_is_matched_at_its_net_amount() -> None:
    (leg,) = calls(1)
    amounts = (Decimal("0.60"), Decimal("-0.60"), price(30))
    result = compared([leg], [charged(leg, amount=amount) for amount in amounts])
    assert classes_of(result) == {"a1": "matched", "b1": "credited", "b2": "credited", "b3": "matched"}
    assert result.parts.rows() == [("b1", "a1"), ("b2", "a1")]
    assert exposure_of(result) == {}


def test_a_part_credit_reduces_the_charge_of_its_call() -> None:
    (leg,) = calls(1)
    result = compared([leg], [charged(leg, amount=Decimal("0.60")), charged(leg, amount=price(30) - Decimal("0.60"))])
    assert classes_of(result) == {"a1": "matched", "b1": "matched", "b2": "credited"}


def test_a_call_that_is_credited_in_full_is_charged_too_little() -> None:
    (leg,) = calls(1)
    result = compared([leg], [charged(leg), charged(leg, amount=-price(30))])
    assert exposure_of(result) == {"b1": -price(30)}


def test_a_later_credit_cancels_the_charge_of_its_call() -> None:
    (leg,) = calls(1)
    credit = charged(leg, amount=Decimal("-0.60"), at=50_000)
    result = compared([leg], [charged(leg, amount=Decimal("0.60")), credit, charged(leg)])
    assert classes_of(result)["b2"] == "credited"
    assert classes_of(result)["b3"] == "matched"


@pytest.mark.parametrize(
    "record", [{"amount": Decimal("-2.00")}, {"amount": Decimal("5.00"), "callee": "", "duration_ms": 0}]
)
def test_a_fee_or_credit_without_a_call_is_an_other_charge(record: dict[str, Any]) -> None:
    (leg,) = calls(1)
    result = compared([leg], [charged(leg), charged(leg, at=20_000, callee="+493099") | record])
    assert classes_of(result)["b2"] == "other_charge"
    assert classes_of(result)["a1"] == "matched"


def test_calls_billed_from_the_invite_have_that_cause_and_no_clock_offset() -> None:
    legs, rings = calls(), [5 + n % 17 for n in range(40)]
    records = [
        charged(leg, leg["duration_ms"] // 1_000 + ring, at=leg["at"] - ring)
        for leg, ring in zip(legs, rings, strict=True)
    ]
    result = reconcile(ringing(legs, rings), side(*records, prefix="b"), RULES)
    assert causes(result) == {("ringing_billed", None): 40}
    assert result.offset["offset_ms"].item() == 0
    assert sum(exposure_of(result).values()) == sum(
        record["amount"] - price(leg["duration_ms"] // 1_000) for record, leg in zip(records, legs, strict=True)
    )


@pytest.mark.parametrize("ring", [5, 30, 60, 170])
def test_some_calls_billed_from_the_invite_are_paired(ring: int) -> None:
    legs, rings = calls(), [8] * 32 + [ring] * 8
    records = [charged(leg) for leg in legs[:32]]
    records += [charged(leg, leg["duration_ms"] // 1_000 + ring, at=leg["at"] - ring) for leg in legs[32:]]
    result = reconcile(ringing(legs, rings), side(*records, prefix="b"), RULES)
    assert causes(result) == {(None, None): 32, ("ringing_billed", None): 8}


def test_other_billing_steps_are_found_from_the_lengths_alone() -> None:
    legs = calls()
    result = compared(legs, [charged(leg, -(-(leg["duration_ms"] // 1_000) // 60) * 60) for leg in legs])
    found = causes(result)
    assert found.pop((None, None), 0) <= 2
    assert list(found) == [("increment", "60/60 instead of 1/1")]


def test_single_wrong_lengths_are_no_other_billing_steps() -> None:
    legs = calls()
    records = [charged(leg) for leg in legs]
    for number in range(4):
        records[number] = charged(legs[number], 1_117 + 211 * number)
    assert causes(compared(legs, records)) == {(None, None): 36, ("duration", None): 4}


@pytest.mark.parametrize(
    ("cause", "detail", "amount"),
    [
        ("factor", "x 1.19", lambda seconds: (price(seconds) * Decimal("1.19")).quantize(Decimal("0.0001"))),
        ("minimum", "0.05", lambda seconds: max(price(seconds), Decimal("0.05"))),
        ("free_seconds", "the first 10 seconds", lambda seconds: price(seconds - 10)),
        ("fee", "0.01", lambda seconds: price(seconds) + Decimal("0.01")),
        ("breakout", "Mobile instead of Berlin", lambda seconds: price(seconds, "0.09")),
        ("rate", "0.015 instead of 0.012 a minute", lambda seconds: price(seconds, "0.015")),
    ],
)
def test_a_habit_of_pricing_is_named(cause: str, detail: str, amount: Any) -> None:
    legs = calls(20)
    records = [charged(leg, amount=amount(leg["duration_ms"] // 1_000), destination="Mobile") for leg in legs]
    found = compared(legs, records).pairs.filter(pl.col("cause").is_not_null())
    named = found.filter((pl.col("cause") == cause) & (pl.col("detail").cast(pl.String) == detail))
    assert named.height >= 0.9 * found.height > 0


def test_a_lost_leg_is_not_an_attempt_that_had_ended() -> None:
    attempt = calls(1)[0] | {"answered": False, "duration_ms": 0}
    for at, expected in ((60, "missing_in_switch"), (8, "answer_mismatch"), (-30, "missing_in_switch")):
        legs = ringing([attempt], [10]).with_columns(invited_at=pl.lit(NOON))
        record = charged(attempt, 90, at=at)
        assert classes_of(reconcile(legs, side(record, prefix="b"), RULES))["b1"] == expected


def test_a_leg_that_the_switch_has_twice_is_a_duplicate() -> None:
    (leg,) = calls(1)
    result = compared([leg | {"call_id": "one"}, leg | {"call_id": "two"}], [charged(leg)])
    assert sorted(classes_of(result).values()) == ["dup_a", "matched", "matched"]


def test_the_parts_of_the_money_add_up_to_what_is_charged() -> None:
    legs = calls(8)
    records = [charged(leg) for leg in legs[:6]]
    records[0]["amount"] += Decimal("0.01")
    records[1]["amount"] -= Decimal("0.001")
    records += [charged(legs[0], at=70_000, amount=Decimal("-2.00"), callee="+493088")]
    records += [charged(legs[0], at=71_000, amount=Decimal("0.10"), callee="+493077")]
    foreign = {"callee": "+88213123456", "at": 72_000}
    result = compared([*legs, legs[0] | foreign], [*records, charged(legs[0], amount=Decimal("4.50")) | foreign])
    (row,) = money_totals(result.rows, result.accruals).to_dicts()
    assert list(row) == ["currency", *MONEY_TOTALS]
    assert (row["overcharged"], row["undercharged"]) == (Decimal("0.11"), Decimal("0.001"))
    assert (row["unpriced"], row["other_charges"]) == (Decimal("4.50"), Decimal("-2.00"))
    assert row["accrued"] == sum(price(leg["duration_ms"] // 1_000) for leg in legs[6:])
    parts = ("agreed", "overcharged", "unpriced", "credited", "other_charges", "not_compared", "rejected")
    assert row["charged"] == sum(row[name] for name in parts) - row["undercharged"]


def test_overlapping_calls_are_told_apart_by_the_steps_of_the_file() -> None:
    # 61 seconds are written as two minutes, so that the record of the next call has their length by chance.
    again = {"callee": "+49309999999", "amount": None}
    legs = [*calls(), {"at": 7, "duration_ms": 61_000, **again}, {"at": 16, "duration_ms": 11_000, **again}]
    records = [charged(call, 60 * -(-call["duration_ms"] // 60_000)) for call in legs]
    records[-1]["at"] = 14
    pairs = compared(legs, records).pairs
    assert [own.removeprefix("a") for own in pairs["switch_row_id"]] == [
        other.removeprefix("b") for other in pairs["carrier_row_id"]
    ]
