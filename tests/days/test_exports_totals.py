"""Control totals: exact, by origin, however the day is cut into chunks."""

from decimal import Decimal
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdr_pipeline.exports.totals import FileTotals
from tests.support.examples import examples
from tests.support.records import rows

legs = st.fixed_dictionaries(
    {
        "origin": st.sampled_from(["api", "imported"]),
        "answered": st.sampled_from([True, False, None]),
        "duration_seconds": st.none() | st.decimals(0, Decimal("999999999.999"), places=3),
        "billing_seconds": st.none() | st.decimals(0, Decimal("999999999.999"), places=3),
        "cost": st.none() | st.decimals(Decimal("-9999999999.99999999"), Decimal("9999999999.99999999"), places=8),
        "cost_currency": st.sampled_from(["USD", "EUR", None]),
    }
)


def totals(*chunks: pl.DataFrame) -> dict[str, Any]:
    found = FileTotals()
    for chunk in chunks:
        found.add(chunk)
    return found.as_json()


@pytest.mark.fault("D23")
@given(st.lists(legs, min_size=1, max_size=8), st.integers(0, 8))
@settings(max_examples=examples(80))
def test_totals_are_the_exact_sums_wherever_the_chunks_are_cut(given_legs: list[dict[str, Any]], cut: int) -> None:
    frame = rows(*given_legs)
    found = totals(frame[:cut], frame[cut:])
    for origin in {leg["origin"] for leg in given_legs}:
        mine = [leg for leg in given_legs if leg["origin"] == origin]
        total = found[origin]
        assert total["legs"] == len(mine)
        assert total["answered_legs"] == sum(leg["answered"] is True for leg in mine)
        for name in ("duration_seconds", "billing_seconds"):
            assert Decimal(total[name]) == sum((leg[name] or Decimal(0) for leg in mine), Decimal(0))
        for currency in {leg["cost_currency"] for leg in mine if leg["cost"] is not None}:
            wanted = sum(
                (leg["cost"] for leg in mine if leg["cost_currency"] == currency and leg["cost"] is not None),
                Decimal(0),
            )
            assert total["cost"][currency or ""] == f"{wanted:.8f}"


def test_sums_beyond_a_columns_own_width_stay_exact() -> None:
    largest = Decimal("9999999999.99999999")
    chunk = pl.concat([rows({"cost": largest, "cost_currency": "USD"})] * 1_000)
    assert totals(*[chunk] * 100)["api"]["cost"] == {"USD": f"{largest * 100_000:.8f}"}


def test_a_currency_without_a_price_has_no_total() -> None:
    assert totals(rows({"cost_currency": "USD"}))["api"]["cost"] == {}


def test_no_records_have_no_totals() -> None:
    assert totals(rows())["all"] == {
        "legs": 0, "answered_legs": 0, "duration_seconds": "0", "billing_seconds": "0", "cost": {},
    }  # fmt: skip
    assert totals(rows()).keys() == {"all"}


def test_keys_stand_in_the_same_order_whatever_came_first() -> None:
    one, two = (
        {"origin": "imported", "cost": Decimal(1), "cost_currency": "USD"},
        {"origin": "imported", "cost": Decimal(2), "cost_currency": "EUR"},
    )
    there = orjson.dumps(totals(rows(one), rows(two), rows({"origin": "api"})))
    back = orjson.dumps(totals(rows({"origin": "api"}), rows(two), rows(one)))
    assert there == back
