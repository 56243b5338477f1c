"""A28 to A32: what Kazoo's list rows and documents say, and what becomes of values that say nothing or nonsense."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import polars as pl
import pytest

from cdr_pipeline.core.fields.schemas import CheckedRows
from cdr_pipeline.core.normalize.kazoo import Rows, normalize_list
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.core.time.timestamps import GREGORIAN_UNIX_OFFSET, to_gregorian

STARTED = datetime(2026, 3, 3, 3, 30, tzinfo=UTC)
ROW: dict[str, Any] = {
    "id": "202603-a",
    "call_id": "a",
    "timestamp": str(to_gregorian(STARTED)),
    "duration_seconds": 10_800,
    "billing_seconds": 10_790,
    "cost": "420",
    "rate": "0.042",
    "direction": "outbound",
}


def normalized(*rows: dict[str, Any], details: list[dict[str, Any]] | None = None) -> CheckedRows:
    """Rows as they go into the warehouse, and rejects, after the rules of the schema."""
    found = normalize_list(
        Rows(b"\n".join(map(orjson.dumps, rows)), frozenset(key for row in rows for key in row)),
        account_id="acct",
        time_zone="America/New_York",
        plan=NumberPlan("1"),
        details=Rows(b"\n".join(map(orjson.dumps, details or [])), frozenset()),
    )
    valid = validate(found.rows, latest=datetime(2027, 1, 1, tzinfo=UTC))
    return CheckedRows(valid.rows, pl.concat([found.rejects, valid.rejects]))


def reason(**changes: Any) -> tuple[str, str] | None:
    """Field and reason for which a changed row is rejected, None when it is taken."""
    rejects = normalized(ROW | changes).rejects
    return None if rejects.is_empty() else (rejects["field"][0], rejects["reason"][0])


def value(field: str, **changes: Any) -> Any:
    """A field of a changed row."""
    return normalized(ROW | changes).rows[field][0]


@pytest.mark.fault("A28")
def test_the_lists_timestamp_is_the_start_and_money_is_exact() -> None:
    row = normalized(ROW).rows.row(0, named=True)
    assert row["started_at"] == STARTED
    assert row["ended_at"] == STARTED + timedelta(hours=3)
    assert row["answered_at"] == STARTED + timedelta(seconds=10)
    assert row["business_date"] == date(2026, 3, 2)
    assert (row["rate"], row["cost"], row["cost_currency"]) == (Decimal("0.042"), Decimal("0.042"), "USD")


def test_the_currency_of_the_switch_is_a_setting() -> None:
    rows = Rows(orjson.dumps(ROW), frozenset(ROW))
    found = normalize_list(rows, account_id="acct", time_zone="UTC", plan=NumberPlan("1"), currency="EUR")
    assert found.rows["cost_currency"].to_list() == ["EUR"]


@pytest.mark.fault("A29")
@pytest.mark.parametrize("text", [False, True])
def test_numbers_come_as_text_or_number(text: bool) -> None:
    given = {name: str(ROW[name]) if text else ROW[name] for name in ("duration_seconds", "billing_seconds")}
    assert value("duration_seconds", **given) == Decimal(10_800)


@pytest.mark.fault("A29")
@pytest.mark.parametrize("nothing", ["", " ", None])
@pytest.mark.parametrize("field", ["billing_seconds", "cost", "rate", "duration_seconds", "caller_id_name"])
def test_what_is_missing_is_missing_and_never_zero(field: str, nothing: str | None) -> None:
    assert value(field, **{field: nothing}) is None
    without = {key: kept for key, kept in ROW.items() if key != field}
    assert normalized(without).rows[field][0] is None


@pytest.mark.fault("A29")
def test_an_unknown_key_is_kept() -> None:
    assert orjson.loads(value("extra_source", vendor_key={"a": [1, 2]}))["vendor_key"] == {"a": [1, 2]}


@pytest.mark.fault("A30")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"duration_seconds": -1}, ("duration_seconds", "out_of_range")),
        ({"billing_seconds": "-7"}, ("billing_seconds", "out_of_range")),
        ({"duration_seconds": 10**13}, ("duration_seconds", "not_a_number")),
        ({"duration_seconds": "1e3x"}, ("duration_seconds", "not_a_number")),
        ({"duration_seconds": "12.5", "billing_seconds": "12.25"}, None),
        ({"billing_seconds": 10_802}, ("billing_seconds", "billing_exceeds_duration")),
        ({"billing_seconds": 10_801}, None),
        ({"billing_seconds": 5, "ringing_seconds": ""}, None),
        ({"direction": "sideways"}, ("call_direction", "not_allowed")),
        ({"id": ""}, ("record_id", "missing_value")),
    ],
)
def test_odd_durations_have_rules(changes: dict[str, Any], expected: tuple[str, str] | None) -> None:
    assert reason(**changes) == expected


@pytest.mark.fault("A31")
@pytest.mark.parametrize(
    "ticks",
    [
        to_gregorian(STARTED),
        to_gregorian(STARTED) - GREGORIAN_UNIX_OFFSET,
        (to_gregorian(STARTED) - GREGORIAN_UNIX_OFFSET) * 1_000_000,
        f"{to_gregorian(STARTED)}.0",
    ],
)
def test_the_epoch_is_known_by_its_magnitude(ticks: object) -> None:
    assert value("started_at", timestamp=ticks) == STARTED


@pytest.mark.fault("A31")
@pytest.mark.parametrize("ticks", [0, -5, 1234, 62_167_219_200, 10**18, "99999999999"])
def test_a_time_of_no_known_epoch_is_rejected_never_guessed(ticks: object) -> None:
    assert reason(timestamp=ticks) == ("started_at", "time_epoch")


def test_a_row_without_a_time_is_rejected() -> None:
    assert reason(timestamp="") == ("started_at", "missing_value")
    assert reason(timestamp="soon") == ("started_at", "not_a_number")


@pytest.mark.fault("A32")
@pytest.mark.parametrize("by", ["row", "document"])
def test_a_record_of_another_account_is_rejected(by: str) -> None:
    document = {"id": ROW["id"], "custom_channel_vars": {"account_id": "other" if by == "document" else "acct"}}
    rejects = normalized(ROW | ({"account_id": "other"} if by == "row" else {}), details=[document]).rejects
    assert rejects["reason"].to_list() == ["other_account"]


def test_an_account_id_that_is_the_asked_one_is_no_fault() -> None:
    assert reason(account_id="acct") is None
