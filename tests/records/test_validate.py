from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.records.validate import validate
from tests.support.records import STARTED, rows

LATEST = datetime(2026, 3, 3, tzinfo=UTC)


def _reasons(*changes: dict[str, Any]) -> list[tuple[str, str]]:
    rejects = validate(rows(*changes), latest=LATEST).rejects
    return list(zip(rejects["field"], rejects["reason"], strict=True))


def test_a_valid_row_is_accepted() -> None:
    assert validate(rows({}), latest=LATEST).rows.height == 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"record_id": None}, ("record_id", "missing_value")),
        ({"started_at": None}, ("started_at", "missing_value")),
        ({"call_direction": "sideways"}, ("call_direction", "not_allowed")),
        ({"origin": "guessed"}, ("origin", "not_allowed")),
        ({"duration_seconds": Decimal(-1)}, ("duration_seconds", "out_of_range")),
        ({"billing_seconds": Decimal(32)}, ("billing_seconds", "billing_exceeds_duration")),
        ({"started_at": LATEST + timedelta(seconds=1)}, ("started_at", "time_in_future")),
        ({"caller_id_name": "a\x00b"}, ("caller_id_name", "nul_character")),
    ],
)
def test_a_rule_that_is_broken_is_named(change: dict[str, Any], fault: tuple[str, str]) -> None:
    assert _reasons({}, change) == [fault]


def test_one_second_of_rounding_is_no_fault_of_the_switch() -> None:
    assert _reasons({"duration_seconds": Decimal(30), "billing_seconds": Decimal(31)}) == []


def test_a_carrier_may_bill_more_seconds_than_the_call_lasted() -> None:
    assert _reasons({"origin": "imported", "duration_seconds": Decimal(12), "billing_seconds": Decimal(60)}) == []


def test_a_row_with_several_faults_is_rejected_once_for_the_first_field() -> None:
    assert _reasons({"record_id": None, "duration_seconds": Decimal(-1)}) == [("record_id", "missing_value")]


def test_rejects_keep_line_and_raw_text() -> None:
    rejects = validate(rows({}, {"raw": "bad,row", "record_id": None}), latest=LATEST).rejects
    assert rejects.select("line", "raw").rows() == [(2, "bad,row")]


def test_an_empty_frame_passes() -> None:
    assert validate(rows({}).clear(), latest=LATEST).rejects.is_empty()


def test_bad_rows_are_rejected_even_if_pandera_is_set_to_schema_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PANDERA_VALIDATION_DEPTH", "SCHEMA_ONLY")
    assert _reasons({"duration_seconds": Decimal(-1)}) == [("duration_seconds", "out_of_range")]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "record_id": st.sampled_from(["a", "b", None]),
                "duration_seconds": st.sampled_from([None, Decimal(-1), Decimal(5)]),
                "started_at": st.sampled_from([STARTED, None, LATEST + timedelta(days=9)]),
            }
        ),
        max_size=12,
    )
)
def test_every_row_is_accepted_or_rejected_never_both(changes: list[dict[str, Any]]) -> None:
    frame = rows(*changes) if changes else rows({}).clear()
    sifted = validate(frame, latest=LATEST)
    lines = pl.concat([sifted.rows["line"], sifted.rejects["line"]])
    assert sorted(lines) == sorted(frame["line"])
