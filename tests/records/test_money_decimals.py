"""Amounts with more decimals than the warehouse keeps are rejected and counted; none is rounded in silence."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cdr_pipeline.core.records.money import is_too_precise
from cdr_pipeline.steps.run_context import RunContext
from tests.support.landed import list_row, loaded_rows
from tests.support.nights import warehouse
from tests.support.uploads import HEADER, carrier_row, fed, opened, own_profile, stored

SCALED = """
native_id = "id"
cost_scale = 4
currency = "USD"
[time]
notation = "iso8601"
[fields]
started_at = "start_time"
duration_seconds = "duration_seconds"
cost = "cost"
"""


@pytest.mark.fault("R601")
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("0.123456789", None),
        ("0.000000001", None),
        ("-0.123456785", None),
        ("0.1234567800000", "0.12345678"),
        ("0.30000000000000004", "0.3"),
        ("0.0123999999999999", "0.0124"),
        ("12.5", "12.5"),
    ],
)
def test_an_amount_of_more_than_eight_decimals_is_rejected(
    ctx: RunContext, tmp_path: Path, text: str, kept: str | None
) -> None:
    place = opened(ctx)
    loaded = fed(place, tmp_path / "f.csv", HEADER + carrier_row(1) + carrier_row(2, cost=text))
    assert loaded.reject_reasons == ({} if kept else {"too_precise": 1})
    assert loaded.counts.rejected == (0 if kept else 1)
    costs = stored(place, "cost", "record_id LIKE '%:id:c2'")
    assert costs == ([(Decimal(kept),)] if kept else [])


@pytest.mark.fault("R601")
@pytest.mark.parametrize(("text", "rejected"), [("1.2345", 0), ("1.23456", 1), ("1.23450000", 0)])
def test_an_amount_in_smaller_units_is_rejected_by_its_own_decimals(
    ctx: RunContext, tmp_path: Path, text: str, rejected: int
) -> None:
    place = opened(ctx)
    own_profile(place, "scaled", SCALED)
    loaded = fed(place, tmp_path / "f.csv", HEADER + carrier_row(1, cost=text), profile="scaled")
    assert loaded.reject_reasons == ({"too_precise": 1} if rejected else {})


@pytest.mark.fault("R601")
@pytest.mark.parametrize(
    ("member", "rejected"),
    [('"cost":"12"', 0), ('"cost":"12.3456"', 0), ('"cost":"12.34567"', 1), ('"rate":0.123456789', 1)],
)
def test_the_switchs_amounts_are_rejected_by_the_same_rule(ctx: RunContext, member: str, rejected: int) -> None:
    loaded = loaded_rows(ctx, [list_row(1), list_row(2, member)])
    assert loaded.reject_reasons == ({"too_precise": 1} if rejected else {})
    assert warehouse(ctx, "SELECT count(*) FROM cdr") == [(2 - rejected,)]


@pytest.mark.fault("R601")
@pytest.mark.parametrize(("text", "more"), [("123456780", False), ("123456789", True), ("100.5", True), ("0", False)])
def test_units_smaller_than_the_last_decimal_must_end_in_zeros(text: str, more: Any) -> None:
    frame = pl.DataFrame({"text": [text]}).select(is_too_precise(pl.col("text"), 9))
    assert frame.item() is more
