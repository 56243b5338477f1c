"""Every row has one class, told at the edges; what each puts at risk; why a price differs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from cdr_pipeline.core.reconcile.inputs.calls import currencies_of, read_calls
from cdr_pipeline.core.reconcile.inputs.rates import Increment, Rate, RateCard, billed_seconds
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled
from cdr_pipeline.core.reconcile.result.totals import require_balance
from cdr_pipeline.errors import InvalidSide, UnbalancedReconciliation
from tests.support.sides import NOON, classes_of, exposure_of, pairs_of, side

RULES = Rules(currency="EUR")
CARD = RateCard((Rate("4930", "Berlin", Decimal("0.06"), Increment(60, 6), Decimal("0.01"), "EUR"),), places=4)


def one(switch: dict[str, Any], carrier: dict[str, Any], rules: Rules = RULES) -> Reconciled:
    """One call, one record."""
    return reconcile(side(switch), side(carrier, prefix="b"), rules)


def class_of(switch: dict[str, Any], carrier: dict[str, Any], rules: Rules = RULES) -> str:
    """The class of the pair that they are."""
    ((_, _, found),) = pairs_of(one(switch, carrier, rules))
    return found


@pytest.mark.fault("D07")
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "matched"), (1, "matched_tol"), (2, "matched_tol"), (3, "duration_mismatch")],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_lengths_at_the_edge_of_tolerance(seconds: int, sign: int, expected: str) -> None:
    same_price = {"amount": Decimal("0.10")}
    carrier = {"duration_ms": 60_000 + sign * seconds * 1_000, **same_price}
    assert class_of(same_price, carrier, replace(RULES, compare_amounts=False)) == expected


@pytest.mark.fault("D07")
@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [("0", "cost_mismatch"), ("0.00000001", "matched_tol"), ("0.00000002", "matched_tol")],
)
def test_money_at_the_edge_of_tolerance(tolerance: str, expected: str) -> None:
    rules = replace(RULES, amount_tolerance=Decimal(tolerance))
    assert class_of({"amount": Decimal("0.10000000")}, {"amount": Decimal("0.10000001")}, rules) == expected
    assert class_of({}, {}, rules) == "matched"


@pytest.mark.parametrize(
    ("steps", "length", "billed"),
    [
        ((60, 6), 10, 60), ((60, 6), 61, 66), ((60, 6), 67, 72), ((6, 6), 7, 12), ((30, 6), 7, 30), ((60, 60), 61, 120),
        ((1, 1), 17, 17), ((60, 6), 0, 0), ((1, 1), 0.4, 1), ((60, 6), 60, 60),
    ],
)  # fmt: skip
def test_billed_seconds_as_carriers_print_them(steps: tuple[int, int], length: float, billed: int) -> None:
    assert billed_seconds(np.array([int(length * 1_000)]), *steps).tolist() == [billed]


@pytest.mark.parametrize(
    ("steps", "measured", "stated", "expected"),
    [
        ((60, 60), 60_000, 60_000, "matched"),
        ((60, 60), 59_000, 60_000, "matched"),
        ((60, 60), 60_000, 120_000, "matched_tol"),
        ((60, 60), 57_000, 120_000, "duration_mismatch"),
        ((6, 6), 61_000, 66_000, "matched"),
        ((6, 6), 61_000, 61_000, "matched"),
    ],
)
def test_a_billed_length_is_compared_with_the_measured_ones_increment(
    steps: tuple[int, int], measured: int, stated: int, expected: str
) -> None:
    rules = replace(RULES, increment=Increment(*steps), compare_amounts=False)
    assert class_of({"duration_ms": measured}, {"duration_ms": stated}, rules) == expected


@pytest.mark.parametrize(
    ("carrier", "found", "cause", "risk"),
    [
        ({"amount": "0.0700"}, "matched", None, "0"),
        ({"amount": "0.0600"}, "cost_mismatch", "fee", "-0.0100"),
        ({"amount": "0.0700", "currency": "USD"}, "cost_mismatch", "currency", "0.0700"),
        ({"amount": "0.0900"}, "cost_mismatch", "rate", "0.0200"),
        ({"duration_ms": 180_000, "amount": "0.1900"}, "duration_mismatch", "duration", "0.1200"),
        ({"duration_ms": 180_000, "amount": "0.2900"}, "both_mismatch", "rate", "0.2200"),
    ],
)
def test_with_a_rate_card_a_break_has_a_cause_and_its_price(
    carrier: dict[str, Any], found: str, cause: str | None, risk: str
) -> None:
    """A minute costs 0.06 and the call 0.01."""
    record = carrier | {"amount": Decimal(carrier["amount"])}
    result = one({"amount": None}, record, replace(RULES, rate_card=CARD))
    assert pairs_of(result) == [("a1", "b1", found)]
    assert result.pairs["cause"].item() == cause
    assert exposure_of(result).get("b1", Decimal(0)) == Decimal(risk)


@pytest.mark.parametrize(
    ("length", "amount", "cause"),
    [(61_000, "0.1300", "increment"), (67_000, "0.0821", "rate"), (61_000, "0.0710", "increment")],
)
def test_the_cause_of_a_price_explains_it_to_the_last_digit(length: int, amount: str, cause: str) -> None:
    result = one(
        {"duration_ms": length, "amount": None},
        {"duration_ms": length, "amount": Decimal(amount)},
        replace(RULES, rate_card=CARD),
    )
    assert result.pairs["cause"].to_list() == [cause]


def test_rounding_is_named() -> None:
    card = RateCard((Rate("4930", "Berlin", Decimal("0.0123"), Increment(), Decimal(0), "EUR"),), places=4)
    call = {"duration_ms": 61_000}
    result = one(call | {"amount": None}, call | {"amount": Decimal("0.012505")}, replace(RULES, rate_card=card))
    assert result.pairs["cause"].to_list() == ["rounding"]


def test_rows_without_partner() -> None:
    result = reconcile(
        side({}, {"at": 4_000, "callee": "+4930999999"}, {"at": 5_000, "answered": False, "duration_ms": 0}),
        side({}, {"at": 6_000, "callee": "+4930888888"}, prefix="b"),
        RULES,
    )
    assert classes_of(result) == {
        "a1": "matched",
        "a2": "missing_at_carrier",
        "a3": "unbillable",
        "b1": "matched",
        "b2": "missing_in_switch",
    }
    assert exposure_of(result) == {"b2": Decimal("0.10")}


def test_a_call_that_one_side_has_as_not_answered_is_one_break_and_not_two() -> None:
    unanswered = {"answered": False, "duration_ms": 0, "amount": None}
    assert classes_of(one(unanswered, {})) == {"a1": "answer_mismatch", "b1": "answer_mismatch"}
    assert exposure_of(one(unanswered, {})) == {"b1": Decimal("0.10")}
    assert classes_of(one({}, unanswered)) == {"a1": "answer_mismatch", "b1": "answer_mismatch"}
    assert exposure_of(one({}, unanswered)) == {}


def test_a_free_destination_is_unbillable_unless_it_is_charged() -> None:
    rules = replace(RULES, free_destinations=frozenset({"toll free"}))
    free = {"destination": "toll free", "amount": None, "at": 9_000}
    assert classes_of(one(free, {"callee": "+4930777777"}, rules))["a1"] == "unbillable"
    assert classes_of(one({"callee": "+4930777777"}, free | {"amount": Decimal("0.01")}, rules))["b1"] == (
        "missing_in_switch"
    )


@pytest.mark.fault("D08")
def test_a_repeated_record_is_a_duplicate_unless_both_sides_have_it() -> None:
    assert classes_of(reconcile(side({}), side({}, {}, prefix="b"), RULES)) == {
        "a1": "matched", "b1": "matched", "b2": "dup_b",
    }  # fmt: skip
    assert exposure_of(reconcile(side({}), side({}, {}, prefix="b"), RULES)) == {"b2": Decimal("0.10")}
    twice = reconcile(side({}, {}), side({}, {}, prefix="b"), RULES)
    assert pairs_of(twice) == [("a1", "b1", "matched"), ("a2", "b2", "matched")]
    assert twice.pairs["ambiguous"].to_list() == [True, True]
    assert classes_of(reconcile(side({}, {}), side({}, prefix="b"), RULES))["a2"] == "dup_a"


@pytest.mark.fault("D08")
def test_equal_calls_on_both_sides_are_calls_even_if_the_carrier_is_late() -> None:
    late = {"at": 80}
    result = reconcile(side({}, {}), side(late, late, prefix="b"), replace(RULES, offset_ms=0))
    assert pairs_of(result) == [("a1", "b1", "time_mismatch"), ("a2", "b2", "time_mismatch")]


def test_a_pair_found_after_too_many_choices_is_no_timing_break() -> None:
    calls = [{"caller": f"+49301000{number:03d}"} for number in range(40)]
    records = [*calls[:-1], {"caller": None, "duration_ms": 150_000, "amount": Decimal("0.25")}]
    result = reconcile(side(*calls), side(*records, prefix="b"), RULES)
    assert classes_of(result)["a40"] == classes_of(result)["b40"] == "duration_mismatch"


@pytest.mark.fault("D08")
def test_swapping_the_sides_swaps_the_pairs() -> None:
    one_side = side({}, {}, {"at": 5}, {"at": 9, "caller": None}, {"at": 12})
    other = side({"at": 1}, {"at": 1}, {"at": 6, "caller": None}, {"at": 30}, prefix="b")
    forth, back = reconcile(one_side, other, RULES), reconcile(other, one_side, RULES)
    assert {(a, b) for a, b, _ in pairs_of(forth)} == {(b, a) for a, b, _ in pairs_of(back)}


@pytest.mark.fault("D09")
def test_a_record_in_the_adjacent_day_is_one_timing_break() -> None:
    by_zone = one({"at": 0}, {"at": 12 * 3_600})
    assert pairs_of(by_zone) == [("a1", "b1", "time_mismatch")]
    assert by_zone.pairs["cause"].to_list() == ["zone"]
    by_end = one({"at": 0, "duration_ms": 1_000_000}, {"at": 1_000, "duration_ms": 1_000_000})
    assert by_end.pairs["cause"].to_list() == ["start_or_end"]
    assert pairs_of(one({"at": 0}, {"at": 5_000})) == [("a1", "b1", "number_only")]
    late = one({"at": 0}, {"at": 90})
    assert (pairs_of(late), late.pairs["cause"].to_list()) == ([("a1", "b1", "time_mismatch")], ["clock"])


def day(start: datetime, hours: int, *, shift: timedelta = timedelta(0), prefix: str = "a") -> pl.DataFrame:
    """A call a minute from ``start`` on, each to a number of its own."""
    calls = [
        {
            "callee": f"+49301{number:06d}",
            "started_at": start + timedelta(minutes=number) + shift,
            "duration_ms": 20_000 + number * 1_000,
        }
        for number in range(hours * 60)
    ]
    return side(*calls, prefix=prefix)


@pytest.mark.fault("D10")
@pytest.mark.parametrize(("start", "hours"), [(datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
                                              (datetime(2026, 10, 24, 22, tzinfo=UTC), 25)])  # fmt: skip
def test_days_of_23_and_25_hours_reconcile_whole(start: datetime, hours: int) -> None:
    result = reconcile(day(start, hours), day(start, hours, prefix="b"), RULES)
    assert set(classes_of(result).values()) == {"matched"}


@pytest.mark.fault("D10")
@pytest.mark.parametrize("shift", [timedelta(hours=1), timedelta(minutes=30), timedelta(hours=-10, minutes=-30)])
def test_a_file_in_the_wrong_zone_matches_and_the_finding_says_so(shift: timedelta) -> None:
    result = reconcile(day(NOON, 2), day(NOON, 2, shift=shift, prefix="b"), RULES)
    assert set(classes_of(result).values()) == {"matched"}
    assert result.offset["offset_ms"].item() == shift // timedelta(milliseconds=1)
    assert f"{shift / timedelta(hours=1):g} h" in result.offset["finding"].item()


def test_an_offset_is_unknown_rather_than_guessed() -> None:
    few = reconcile(day(NOON, 24).head(20), day(NOON, 24, shift=timedelta(seconds=9), prefix="b").head(20), RULES)
    assert few.offset.select("status", "offset_ms").row(0) == ("offset_unknown", 0)
    known = reconcile(
        day(NOON, 2).head(5), day(NOON, 2, shift=timedelta(hours=3), prefix="b").head(5),
        replace(RULES, offset_ms=3 * 3_600_000),
    )  # fmt: skip
    assert known.offset["status"].item() == "given"
    assert set(classes_of(known).values()) == {"matched"}
    random = np.random.default_rng(4)
    scattered = day(NOON, 2, prefix="b").with_columns(
        started_at=pl.col("started_at")
        + pl.Series(random.integers(-50_000, 50_000, 120) * 1_000_000).cast(pl.Duration("us"))
    )
    assert reconcile(day(NOON, 2), scattered, RULES).offset["status"].item() == "offset_unknown"


def test_a_file_that_ends_early_says_nothing_about_what_came_after() -> None:
    result = reconcile(day(NOON, 2), day(NOON, 1, prefix="b"), RULES)
    classes = result.rows.filter(pl.col("side") == "switch")["class"].value_counts().rows()
    assert dict(classes) == {"matched": 60, "out_of_interval": 60}
    lost = reconcile(day(NOON, 2), day(NOON, 2, prefix="b").head(115), RULES)
    assert classes_of(lost)["a120"] == "missing_at_carrier"
    stated = replace(RULES, carrier_covers=(NOON, NOON + timedelta(minutes=115)))
    assert classes_of(reconcile(day(NOON, 2), day(NOON, 2, prefix="b").head(115), stated))["a120"] == "out_of_interval"


def test_a_call_id_pairs_calls_only_where_something_else_supports_it() -> None:
    rewritten = {"call_id": "x", "callee": "+4930555555", "caller": None}
    assert pairs_of(one({"call_id": "x"}, rewritten)) == [("a1", "b1", "matched")]
    assert pairs_of(one({"call_id": "x"}, rewritten | {"at": 900})) == []
    twice = reconcile(
        side({"call_id": "x"}, {"call_id": "x", "at": 50}), side({"call_id": "x", "at": 50}, prefix="b"), RULES
    )
    assert pairs_of(twice) == [("a2", "b1", "matched")]


def test_a_withheld_caller_matches_by_the_called_number() -> None:
    assert pairs_of(one({}, {"caller": None})) == [("a1", "b1", "matched")]
    assert pairs_of(one({}, {"caller": "Anonymous"})) == [("a1", "b1", "matched")]
    assert pairs_of(one({}, {"caller": "+4940111111"})) == []


def test_destinations_have_one_name_on_both_sides() -> None:
    result = one({"destination": "DE mobile"}, {"destination": "Germany Mob."})
    assert result.totals.select("destination", "side", "rows").rows() == [
        ("DE mobile", "switch", 1),
        ("DE mobile", "carrier", 1),
    ]


def test_totals_never_add_amounts_of_two_currencies() -> None:
    calls = [{"caller": f"+4930100{number}"} for number in range(3)]
    foreign = [calls[0], calls[1] | {"currency": "usd"}, calls[2] | {"currency": None}]
    totals = reconcile(side(*calls), side(*foreign, prefix="b"), RULES).totals.filter(pl.col("side") == "carrier")
    assert totals.select("class", "currency", "rows", "amount", "exposure").rows() == [
        ("matched", "EUR", 2, Decimal("0.20"), Decimal(0)),
        ("cost_mismatch", "USD", 1, Decimal("0.10"), Decimal("0.10")),
    ]


def test_a_side_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidSide, match="switch side lacks caller"):
        reconcile(side({}).drop("caller"), side({}), RULES)
    with pytest.raises(InvalidSide, match="started_at"):
        reconcile(side({"started_at": None}), side({}), RULES)
    with pytest.raises(InvalidSide, match="carrier side repeat"):
        reconcile(side({}), side({"row_id": "x"}, {"row_id": "x"}), RULES)


def test_totals_that_do_not_add_up_are_no_result() -> None:
    frame = side({}, {"at": 100})
    totals = reconcile(frame, side({}, prefix="b"), RULES).totals
    calls = read_calls("switch", frame.lazy(), currencies_of([frame.lazy()], RULES), RULES)
    counted = np.ones(2, np.bool_)
    require_balance(totals, calls, counted)
    for broken in (
        totals.with_columns(rows=pl.col("rows") + 1),
        totals.with_columns(seconds=pl.col("seconds") * 2),
        totals.with_columns(amount=pl.col("amount") * 2),
    ):
        with pytest.raises(UnbalancedReconciliation):
            require_balance(broken, calls, counted)


def test_nothing_against_nothing() -> None:
    result = reconcile(side({}).clear(), side({}).clear(), RULES)
    assert (result.pairs.height, result.rows.height, result.totals.height) == (0, 0, 0)
    assert classes_of(reconcile(side({}), side({}).clear(), RULES)) == {"a1": "missing_at_carrier"}
