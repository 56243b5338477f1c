"""Charges that nothing verifies: never matched, never green, always named."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.reconcile.inputs.rates import Increment, Rate, RateCard
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.result.controls import judge_prices
from cdr_pipeline.core.reconcile.result.outcomes import PLACE_SCHEMA, outcomes_of
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled
from cdr_pipeline.core.reconcile.result.verdict import Verdict, judge
from tests.support.sides import NOON, classes_of, exposure_of, side

BERLIN = Rate("4930", "Berlin", Decimal("0.06"), Increment(60, 60), currency="EUR")
RULES = Rules(currency="EUR", rate_card=RateCard((BERLIN,), places=4))


def one(carrier: dict[str, Any], rules: Rules = RULES, switch: dict[str, Any] | None = None) -> Reconciled:
    """One call and its record; the switch has no price."""
    return reconcile(side({"amount": None} | (switch or {})), side(carrier, prefix="b"), rules)


def verdict(result: Reconciled, section: CarrierRules | None = None) -> Verdict:
    """The verdict on all rows as one day."""
    sides = [
        result.rows.filter(side=name).select(
            record_id="row_id", business_date=date(2026, 3, 2), started_at=NOON
        ).cast(PLACE_SCHEMA)
        for name in ("switch", "carrier")
    ]  # fmt: skip
    return judge(
        outcomes_of(result, *sides),
        section or CarrierRules(rate_card="bell.csv"),
        currency="EUR",
        complete=True,
        offset=result.offset.row(0, named=True),
    )


def test_a_call_without_a_price_in_the_card_is_unpriced() -> None:
    numbers = {"callee": "+88213123456"}
    result = one({"amount": Decimal("4.50"), "destination": "Emsat"} | numbers, switch=numbers)
    assert classes_of(result) == {"a1": "unpriced", "b1": "unpriced"}
    assert result.pairs["cause"].item() == "no_price"
    assert exposure_of(result) == {"b1": Decimal("4.50")}
    assert set(result.rows["destination"]) == {"+8821 Emsat"}
    assert result.pairs["expected_amount"].item() is None


def test_a_price_that_has_ended_is_no_price() -> None:
    ended = replace(BERLIN, valid_from=date(2025, 1, 1), valid_to=date(2025, 12, 31))
    result = one({"amount": Decimal("2.97")}, replace(RULES, rate_card=RateCard((ended,), places=4)))
    assert classes_of(result)["b1"] == "unpriced"
    assert verdict(result).light == "red"


def test_a_record_without_an_amount_is_unpriced() -> None:
    result = one({"amount": None})
    assert classes_of(result)["b1"] == "unpriced"
    assert result.pairs["cause"].item() == "no_amount"
    assert result.pairs["expected_amount"].item() == Decimal("0.06")


def test_a_charge_without_a_price_of_the_switch_is_unpriced() -> None:
    legs = side({}, {"at": 600, "amount": None})
    records = side({}, {"at": 600}, prefix="b")
    assert classes_of(reconcile(legs, records, Rules(currency="EUR"))) == {
        "a1": "matched", "b1": "matched", "a2": "unpriced", "b2": "unpriced"
    }  # fmt: skip


def test_lengths_alone_are_compared_where_no_side_has_amounts() -> None:
    result = one({"amount": None}, Rules(currency="EUR"))
    assert classes_of(result)["b1"] == "matched"
    assert verdict(result, CarrierRules()).light == "green"


@pytest.mark.parametrize(("compare_amounts", "light"), [(True, "red"), (False, "green")])
def test_a_day_without_any_price_is_red_unless_prices_are_not_compared(compare_amounts: bool, light: str) -> None:
    result = one({}, Rules(currency="EUR", compare_amounts=compare_amounts))
    assert verdict(result, CarrierRules(compare_amounts=compare_amounts)).light == light


def test_one_small_unpriced_charge_makes_the_day_red_and_is_named() -> None:
    cheap = {"callee": "+88213123456", "amount": Decimal("0.0001"), "at": 9_000}
    calls = [{"at": 100 * number, "amount": Decimal("0.0600")} for number in range(60)]
    legs = side(*({**call, "amount": None} for call in [*calls, cheap]))
    result = verdict(reconcile(legs, side(*calls, cheap, prefix="b"), RULES))
    assert (result.light, result.breaks) == ("red", 1)
    assert "1 call of 0.0001 EUR: no price in the rate card: +8821 (1)" in result.findings


def test_the_control_names_the_missing_prefixes() -> None:
    failed = judge_prices("acct", "bell", [("+8821", 2, Decimal("9.00"))])
    assert (failed.passed, failed.value, failed.evidence) == (False, "2", "+8821: 2 calls, 9")
    assert judge_prices("acct", "bell", []).passed


def test_every_call_has_the_price_of_its_own_day() -> None:
    card = RateCard(
        (
            replace(BERLIN, valid_to=date(2026, 3, 1)),
            replace(BERLIN, per_minute=Decimal("0.09"), valid_from=date(2026, 3, 2)),
        ),
        places=4,
        zone="Europe/Berlin",
    )
    # Midnight in Berlin is 23:00 UTC.
    times = [datetime(2026, 3, 1, 22, 59, tzinfo=UTC), datetime(2026, 3, 1, 23, 1, tzinfo=UTC)]
    legs = side(*({"started_at": time, "amount": None} for time in times))
    records = side(
        *({"started_at": time, "amount": Decimal(price)} for time, price in zip(times, ("0.06", "0.09"), strict=True)),
        prefix="b",
    )
    assert set(classes_of(reconcile(legs, records, replace(RULES, rate_card=card))).values()) == {"matched"}


def test_every_call_has_the_price_of_its_own_hour() -> None:
    card = RateCard((BERLIN, replace(BERLIN, per_minute=Decimal("0.01"), from_minute=19 * 60, to_minute=7 * 60)), 4)
    hours = {6: "0.01", 7: "0.06", 18: "0.06", 19: "0.01", 23: "0.01"}
    times = [datetime(2026, 3, 2, hour, 30, tzinfo=UTC) for hour in hours]
    result = reconcile(
        side(*({"started_at": time, "amount": None} for time in times)),
        side(
            *({"started_at": t, "amount": Decimal(p)} for t, p in zip(times, hours.values(), strict=True)), prefix="b"
        ),
        replace(RULES, rate_card=card),
    )
    assert set(classes_of(result).values()) == {"matched"}
    assert result.pairs["agreed_rate"].to_list() == ["0.01", "0.06", "0.06", "0.01", "0.01"]


def test_what_we_will_owe_for_a_call_that_is_not_charged() -> None:
    result = reconcile(
        side({}, {"at": 900, "duration_ms": 61_000}), side({"amount": Decimal("0.06")}, prefix="b"), RULES
    )
    assert result.accruals.rows() == [("a2", "0.06", Decimal("0.12"), "EUR")]
