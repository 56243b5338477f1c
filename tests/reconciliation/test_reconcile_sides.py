from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from cdr_pipeline.core.reconcile.inputs.columns import SIDE_SCHEMA
from cdr_pipeline.core.reconcile.inputs.legs import Direction, LegRule, is_billable_leg
from cdr_pipeline.core.reconcile.inputs.sides import carrier_side, switch_side
from tests.support.records import STARTED, rows

ANSWERED = STARTED + timedelta(seconds=10)


def chosen(frame: pl.DataFrame, rule: LegRule) -> list[str]:
    return frame.filter(is_billable_leg(rule))["record_id"].to_list()


def test_sides_come_in_their_schema() -> None:
    assert dict(switch_side(rows({})).schema) == SIDE_SCHEMA
    assert dict(carrier_side(rows({})).schema) == SIDE_SCHEMA


def test_the_answer_is_compared_where_it_is_known_and_the_start_on_demand() -> None:
    frame = rows({"answered_at": ANSWERED}, {})
    assert switch_side(frame)["started_at"].to_list() == [ANSWERED, STARTED]
    assert switch_side(frame, clock="start")["started_at"].to_list() == [STARTED, STARTED]


def test_lengths_are_milliseconds_after_the_answer() -> None:
    frame = rows(
        {"billing_seconds": Decimal("20.250")},
        {"billing_seconds": None, "duration_seconds": Decimal("31.000")},
        {"billing_seconds": Decimal(0), "answered": False},
        {"billing_seconds": None, "duration_seconds": Decimal(12), "disposition": "NO ANSWER"},
    )
    side = carrier_side(frame)
    assert side["duration_ms"].to_list() == [20250, 31000, 0, 0]
    assert side["answered"].to_list() == [True, True, False, False]


@pytest.mark.parametrize("text", ["Anonymous", "restricted", " ", "", "unknown", "+266696687", None])
def test_a_withheld_caller_is_nothing(text: str | None) -> None:
    assert carrier_side(rows({"caller_id_number": text}))["caller"].to_list() == [None]


def test_numbers_are_e164_where_possible_and_as_written_elsewhere() -> None:
    side = switch_side(
        rows(
            {"caller_e164": "+4930111111", "callee_e164": "+4930222222", "caller_id_number": "030111111"},
            {"caller_id_number": "Sip-User", "dialed_number": "1001", "callee_id_number": "x"},
            {},
        )
    )
    assert side["caller"].to_list() == ["+4930111111", "sip-user", None]
    assert side["callee"].to_list() == ["+4930222222", "1001", ""]


def test_an_unrated_switch_has_no_amount_but_a_carriers_zero_is_a_price() -> None:
    frame = rows({"cost": Decimal(0), "cost_currency": "USD"})
    assert switch_side(frame)["amount"].to_list() == [None]
    assert carrier_side(frame)["amount"].to_list() == [Decimal(0)]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("outbound", ["r2", "r4"]), ("inbound", ["r1", "r3", "r4"]), ("any", ["r2", "r3", "r4"])],
)
def test_one_leg_of_a_call_is_compared(direction: Direction, expected: list[str]) -> None:
    frame = rows(
        {"call_direction": "inbound", "call_id": "a", "other_leg_call_id": "b"},
        {"call_direction": "outbound", "call_id": "b", "other_leg_call_id": "a"},
        {"call_direction": "inbound", "call_id": "c"},
        {"call_direction": None},
    )
    assert chosen(frame, LegRule(direction)) == expected


def test_a_leg_belongs_to_the_carrier_of_its_trunk_or_resource() -> None:
    frame = rows({"trunk": "t1"}, {"resource_id": "t1"}, {"trunk": "t2"}, {}, {"authorizing_id": "t1"}).with_columns(
        call_direction=pl.lit("outbound")
    )
    assert chosen(frame, LegRule(trunks=frozenset({"t1"}))) == ["r1", "r2", "r5"]


def test_times_keep_their_instant() -> None:
    frame = rows({"started_at": datetime(2026, 3, 29, 1, 0, tzinfo=UTC)})
    assert switch_side(frame)["started_at"].to_list() == [datetime(2026, 3, 29, 1, 0, tzinfo=UTC)]
