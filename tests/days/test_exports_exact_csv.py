"""The dialect ``exact``, read back by other readers, and its bytes for ever."""

import csv
import hashlib
import io
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.exact_csv import encode, header
from tests.support.examples import examples
from tests.support.records import rows

COLUMNS = list(names(exported_only=True))
GOLDEN = Path(__file__).parents[1] / "golden" / "exports_exact.csv"

# PostgreSQL holds neither NUL nor half surrogates, so neither can come here.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
awkward = st.text(st.sampled_from([*',;"\r\n\t =+-@', "é", "🌙", "\u202e", "א", "\ufeff", "\u2028"]), min_size=1)


def records(*changes: dict[str, Any]) -> pl.DataFrame:
    return rows(*changes).select(COLUMNS)


def content(*changes: dict[str, Any]) -> bytes:
    return header() + encode(records(*changes))


def cells(*changes: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content(*changes).decode(), newline=""), strict=True))


def golden_content() -> bytes:
    """Every kind of value, and everything a name may contain."""
    return content(
        {
            "started_at": datetime(2026, 11, 24, 2, 30, tzinfo=UTC),
            "ended_at": datetime(2026, 11, 24, 2, 30, 13, 500_000, tzinfo=UTC),
            "business_date": date(2026, 11, 24),
            "duration_seconds": Decimal("13.500"),
            "billing_seconds": Decimal("0.000"),
            "ringing_seconds": Decimal("100.000"),
            "answered": True,
            "cost": Decimal("1234567890.00000001"),
            "rate": Decimal("-0.5"),
            "cost_currency": "USD",
            "caller_id_name": 'Zoë "the, semi;colon" 🌙\r\n\u202eno\rthing',
            "caller_id_number": "00123456789012345678",
            "callee_e164": "+15550100000",
            "remote_rtp_port": 16_384,
            "user_agent": "=1+1",
        },
        {"origin": "imported", "answered": False, "record_id": " spaces "},
    )


@pytest.mark.fault("D20")
@given(st.lists(texts | awkward, min_size=1, max_size=5))
@settings(max_examples=examples(150))
def test_any_text_survives_the_way_to_csv_and_polars(values: list[str]) -> None:
    changes = [{"caller_id_name": value, "media_server": value} for value in values]
    assert [row["caller_id_name"] for row in cells(*changes)] == values
    read = pl.read_csv(content(*changes), infer_schema=False)
    assert read["caller_id_name"].to_list() == read["media_server"].to_list() == values


@given(st.decimals(Decimal("-9999999999.99999999"), Decimal("9999999999.99999999"), places=8))
def test_money_has_all_its_decimals_and_is_exact(value: Decimal) -> None:
    (row,) = cells({"cost": value})
    assert Decimal(row["cost"]) == value
    assert len(row["cost"].partition(".")[2]) == 8


@given(st.decimals(0, Decimal("999999999.999"), places=3))
def test_seconds_are_exact_and_have_no_trailing_zeros(value: Decimal) -> None:
    (row,) = cells({"duration_seconds": value})
    assert Decimal(row["duration_seconds"]) == value
    assert row["duration_seconds"] == f"{value:f}".rstrip("0").rstrip(".")


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_instants_come_back_to_the_microsecond(value: datetime) -> None:
    (row,) = cells({"started_at": value})
    assert datetime.fromisoformat(row["started_at"]) == value
    assert row["started_at"].endswith("Z")
    assert ("." in row["started_at"]) == (value.microsecond > 0)


def test_quotes_stand_only_where_they_are_needed() -> None:
    assert encode(records({"caller_id_name": "plain; text"})).count(b'"') == 0


def test_text_is_never_the_empty_string() -> None:
    assert encode(records({"caller_id_name": "", "realm": ""})) == encode(records({}))


@pytest.mark.fault("D22")
def test_long_ids_and_leading_zeros_stay_text() -> None:
    ids = ["0012345", "12345678901234567890", "1E15", "+15550100000"]
    assert [row["call_id"] for row in cells(*({"call_id": value} for value in ids))] == ids


def test_there_is_no_mark_before_the_header_and_each_line_ends_with_crlf() -> None:
    lines = content({}, {}).split(b"\r\n")
    assert lines[0].decode().split(",") == COLUMNS
    assert (len(lines), lines[-1]) == (4, b"")


def test_no_records_are_no_bytes() -> None:
    assert encode(records()) == b""


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("duration_seconds", pl.lit(Decimal(10)).cast(pl.Decimal(12, 0))),
        ("cost", pl.lit(0.1)),
        ("started_at", pl.col("started_at").dt.convert_time_zone("Asia/Tokyo")),
        ("ended_at", pl.col("started_at").cast(pl.Datetime("ms", "UTC"))),
        ("call_id", pl.lit(15550100000)),
    ],
)
def test_a_column_of_another_type_is_refused_for_it_would_be_another_value(column: str, other: pl.Expr) -> None:
    with pytest.raises(ExportError, match=rf"{column} missing or of another type"):
        encode(records({}).with_columns(other.alias(column)))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ExportError, match="realm"):
        encode(records({}).drop("realm"))


def test_more_columns_in_another_order_make_the_same_bytes() -> None:
    frame = rows({})
    assert encode(frame.select(reversed(frame.columns))) == encode(frame.select(COLUMNS))


def test_the_bytes_are_those_of_the_golden_file() -> None:
    assert golden_content() == GOLDEN.read_bytes()


@pytest.mark.fault("D18")
@pytest.mark.parametrize(
    "odd",
    [
        {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "POLARS_MAX_THREADS": "1"},
        {"TZ": "America/St_Johns", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "PYTHONHASHSEED": "1", "PYTHONUTF8": "0"},
    ],
)
def test_other_settings_of_the_machine_make_the_golden_bytes_too(odd: dict[str, str]) -> None:
    program = (
        "import sys, hashlib; sys.path[:0] = sys.argv[1:]; import test_exports_exact_csv as t;"
        "print(hashlib.sha256(t.golden_content()).hexdigest())"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")],
        env=os.environ | odd, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == hashlib.sha256(GOLDEN.read_bytes()).hexdigest()
