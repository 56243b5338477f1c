import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from cdr_pipeline.core.fields.schemas import CheckedRows, working_schema
from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.uploads.profile import Profile

PROFILE = Profile(
    name="p",
    description="",
    fields={
        "started_at": ("start",),
        "ended_at": ("end",),
        "duration_seconds": ("duration",),
        "billing_seconds": ("billed",),
        "caller_id_number": ("src",),
        "callee_id_number": ("dst",),
        "cost": ("cost",),
        "call_direction": ("dir",),
    },
    values={"call_direction": {"i": "inbound", "o": "outbound"}},
)


def split_rejects(zone: str = "Europe/Berlin", profile: Profile = PROFILE, **row: str | None) -> CheckedRows:
    """One row of a file, normalised."""
    columns = {name: [value] for name, value in ({"start": "2026-03-02 10:00:00"} | row).items()}
    frame = pl.DataFrame({"line": [7], "raw": ["r"], **columns}, schema_overrides=dict.fromkeys(columns, pl.String))
    return normalize_imported(frame, profile, account_id="acct", account_time_zone=zone, account_country_code="49")


def reject(zone: str = "Europe/Berlin", **row: str | None) -> tuple[str, str]:
    """Field and reason of the row's reject."""
    ((line, field, reason, raw, *_),) = split_rejects(zone, **row).rejects.rows()
    assert (line, raw) == (7, "r")
    return field, reason


def test_rows_come_in_the_working_schema() -> None:
    assert dict(split_rejects().rows.schema) == working_schema()


def test_local_time_is_read_in_the_accounts_zone_and_dated_there() -> None:
    row = split_rejects("Pacific/Auckland", start="2026-03-02 00:30:00").rows
    assert row["started_at"].item() == datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    assert row["business_date"].item() == date(2026, 3, 2)


def test_what_the_file_leaves_out_follows_from_the_rest() -> None:
    row = split_rejects(duration="90", billed="60").rows
    assert row["ended_at"].item() == datetime(2026, 3, 2, 9, 1, 30, tzinfo=UTC)
    assert row["answered_at"].item() == datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC)
    assert split_rejects(end="2026-03-02 10:00:30").rows["duration_seconds"].item() == Decimal("30.000")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"start": None}, ("started_at", "missing_value")),
        ({"start": "03/04/2026"}, ("started_at", "not_a_time")),
        ({"start": "2026-02-30 00:00:00"}, ("started_at", "not_a_time")),
        ({"start": "2026-03-29 02:30:00"}, ("started_at", "time_gap")),
        ({"start": "2026-10-25 02:30:00"}, ("started_at", "time_gap")),
        ({"duration": "1,5"}, ("duration_seconds", "not_a_number")),
        ({"cost": "free"}, ("cost", "not_a_number")),
        ({"src": "1.23E+15"}, ("caller_id_number", "scientific_notation")),
    ],
)
def test_a_value_that_cannot_be_read_rejects_its_row_and_names_the_field(
    row: dict[str, str | None], fault: tuple[str, str]
) -> None:
    assert reject(**row) == fault


def test_a_missing_number_is_unknown_never_zero() -> None:
    row = split_rejects().rows
    assert row["duration_seconds"].item() is None
    assert row["answered"].item() is None


def test_words_of_the_source_are_translated() -> None:
    assert split_rejects(dir="I").rows["call_direction"].item() == "inbound"
    assert split_rejects(dir="O").rows["call_direction"].item() == "outbound"


def test_columns_that_no_field_is_made_of_are_kept() -> None:
    assert split_rejects(colour="red").rows["extra_source"].item() == '{"colour":"red"}'


@pytest.mark.parametrize(
    ("unit", "text", "seconds"),
    [
        ("milliseconds", "1500", "1.500"),
        ("minutes", "1.5", "90.000"),
        ("hh:mm:ss", "01:02:03", "3723.000"),
        ("hh:mm:ss", "02:03", "123.000"),
    ],
)
def test_durations_are_read_in_the_profiles_unit(unit: str, text: str, seconds: str) -> None:
    profile = Profile("p", "", fields=PROFILE.fields, duration_unit=unit)  # type: ignore[arg-type]
    assert split_rejects(profile=profile, duration=text).rows["duration_seconds"].item() == Decimal(seconds)


def test_amounts_are_exact() -> None:
    assert split_rejects(cost="0.10000001").rows["cost"].item() == Decimal("0.10000001")


def test_national_numbers_take_the_accounts_country() -> None:
    row = split_rejects(src="030 1234567", dst="0044 7700 900123").rows
    assert (row["caller_e164"].item(), row["callee_e164"].item()) == ("+49301234567", "+447700900123")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"duration": "99999999999999"}, ("duration_seconds", "not_a_number")),
        ({"cost": "12345678901.5"}, ("cost", "not_a_number")),
        ({"start": "0001-01-01 00:00:00"}, ("started_at", "not_a_time")),
        ({"end": "yesterday"}, ("ended_at", "not_a_time")),
    ],
)
def test_a_value_too_large_for_its_field_rejects_its_row_alone(row: dict[str, str], fault: tuple[str, str]) -> None:
    assert reject(**row) == fault


def test_a_count_in_no_known_epoch_is_named_as_such() -> None:
    profile = replace(PROFILE, time_notation="epoch_seconds")
    assert split_rejects(profile=profile, start="12").rejects["reason"].to_list() == ["time_epoch"]
    assert split_rejects(profile=profile, start="soon").rejects["reason"].to_list() == ["not_a_time"]


@pytest.mark.parametrize("text", ["1:75", "00:60:00", "1.5", "90"])
def test_what_is_no_hh_mm_ss_is_no_duration(text: str) -> None:
    profile = replace(PROFILE, duration_unit="hh:mm:ss")
    assert split_rejects(profile=profile, duration=text).rejects["reason"].to_list() == ["not_a_number"]


def test_columns_without_a_value_are_no_part_of_what_else_the_source_sent() -> None:
    assert split_rejects(colour=None).rows["extra_source"].item() is None
    kept = split_rejects(colour=None, shape='a "round"\none', size="2").rows["extra_source"].item()
    assert json.loads(kept) == {"shape": 'a "round"\none', "size": "2"}


def test_absent_members_are_left_out_wherever_they_are() -> None:
    columns = {
        "a": ["1", None, None, '"b":null,'],
        "b": [None, "2", None, None],
        "c": ["\\", None, None, '"c":null}'],
    }
    frame = pl.DataFrame({"line": range(4), "raw": ["r"] * 4, "start": ["2026-03-02 10:00:00"] * 4, **columns})
    rows = normalize_imported(frame, PROFILE, account_id="acct", account_time_zone="UTC").rows
    assert [text and json.loads(text) for text in rows["extra_source"]] == [
        {"a": "1", "c": "\\"},
        {"b": "2"},
        None,
        {"a": '"b":null,', "c": '"c":null}'},
    ]


def test_columns_with_quotes_in_their_names_are_kept() -> None:
    kept = split_rejects(**{'x"shape': None, 'y"shape': "round", "shape": None}).rows["extra_source"].item()
    assert json.loads(kept) == {'y"shape': "round"}
