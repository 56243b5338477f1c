from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from cdr_pipeline.core.fields.dictionary import FIELDS, Kind
from cdr_pipeline.core.records.identity import source_of, with_digests, with_record_ids
from tests.support.records import STARTED, rows


def _digests(frame: pl.DataFrame, detail_source: str | None = None) -> tuple[list[str], list[str]]:
    made = with_digests(frame.with_columns(pl.lit(detail_source, pl.String).alias("detail_source")))
    return made["list_digest"].to_list(), made["row_digest"].to_list()


def _ids(frame: pl.DataFrame, source: str = "acme", corrects: str | None = None) -> list[str]:
    return with_record_ids(frame, source, corrects=corrects)["record_id"].to_list()


def test_a_given_id_is_kept() -> None:
    assert _ids(rows({"record_id": "202603-abc"})) == ["acme:id:202603-abc"]


@pytest.mark.fault("R103")
def test_an_id_like_a_fingerprint_is_no_fingerprint() -> None:
    made = _ids(rows({"record_id": None, "raw": "a,b"}))[0]
    text = made.removeprefix("acme:fp:")
    assert made != text
    assert made not in _ids(rows(*({"record_id": given} for given in (made, text, f"fp-{text}", f"fp:{text}"))))


@pytest.mark.fault("R103")
def test_an_id_like_that_of_a_correction_is_none() -> None:
    made = _ids(rows({"record_id": None, "line": 7}), corrects="ab" * 32)[0]
    text = made.removeprefix("acme:fx:")
    assert made != text
    assert made not in _ids(rows(*({"record_id": given} for given in (made, text, f"fx-{text}", f"fx:{text}"))))


@pytest.mark.fault("R101")
def test_ids_of_two_sources_are_never_equal() -> None:
    sources = ("a", "a:id", "a~3aid", "a~")
    ids = [
        _ids(rows({"record_id": given}), source_of(name))[0] for name in sources for given in ("1", "id:1", "a:id:1")
    ]
    assert len(set(ids)) == len(ids)


def test_two_equal_rows_in_one_file_are_two_records() -> None:
    made = with_record_ids(rows({"record_id": None, "raw": "a,b"}, {"record_id": None, "raw": "a,b"}), "acme")
    first, second = made["record_id"].to_list()
    assert first.removesuffix("-1") == second.removesuffix("-2")
    assert first != second


def test_the_same_file_gives_the_same_ids_wherever_its_rows_stand() -> None:
    once = with_record_ids(rows({"record_id": None, "raw": "a"}, {"record_id": None, "raw": "b"}), "acme")
    again = with_record_ids(rows({"record_id": None, "raw": "b"}, {"record_id": None, "raw": "a"}), "acme")
    assert set(once["record_id"]) == set(again["record_id"])


def test_a_fingerprint_is_the_same_for_ever() -> None:
    assert _ids(rows({"record_id": None, "raw": "a,b"})) == ["acme:fp:1eb7c54d52831bbfe8942af0b1c56b74-1"]


def test_every_field_counts_in_the_row_digest() -> None:
    samples = {
        Kind.TEXT: "x",
        Kind.SECONDS: Decimal(7),
        Kind.MONEY: Decimal("0.00000001"),
        Kind.INSTANT: STARTED + timedelta(microseconds=1),
        Kind.DATE: date(2026, 3, 9),
        Kind.FLAG: True,
        Kind.PORT: 5060,
    }
    (plain,) = _digests(rows({}))[1]
    for field in FIELDS:
        counts = field.name not in ("account_id", "origin", "record_id")  # what it is known by, not what it says
        assert (_digests(rows({field.name: samples[field.kind]}))[1] != [plain]) is counts, field.name


def test_fields_that_only_details_fill_do_not_count_in_the_list_digest() -> None:
    assert _digests(rows({}))[0] == _digests(rows({"user_agent": "phone/1.0"}))[0]


def test_a_field_moved_to_its_neighbour_changes_the_digest() -> None:
    one = rows({"caller_id_name": "x", "caller_id_number": None})
    other = rows({"caller_id_name": None, "caller_id_number": "x"})
    assert _digests(one) != _digests(other)


def test_equal_amounts_written_differently_are_equal() -> None:
    one, other = (rows({"cost": Decimal(text)}) for text in ("1.5", "1.50000000"))
    assert _digests(one) == _digests(other)
