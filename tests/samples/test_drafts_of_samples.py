"""Drafts of real files and of made cases, without a built-in profile: the records come out as a person reads them."""

from pathlib import Path

import polars as pl
import pytest

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads import drafting
from cdr_pipeline.sources.uploads.drafting import draft_profile
from cdr_pipeline.sources.uploads.profiles import load_profile, read_profile
from tests.support.uploads import normalized

# file: built-in profile, answers, fields of the built-in profile that the draft does not have
FILES: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "asterisk_pjsip_Master.csv": ("asterisk_custom", {}, set()),
    "freepbx_cdr_report_download.csv": ("freepbx", {}, set()),
    "freeswitch_docs_Master.csv": ("freeswitch", {}, set()),
    "pbxware_asterisk_cdr_NULL_strings.csv": ("pbxware", {}, set()),
    "cisco_cucm_cdr_typed_header.txt": ("cucm", {}, set()),
    # The draft finds more than the built-in profile: the id of the call, and words of the outcome.
    "generic_epoch_e164_cdrs.csv": ("generic", {"currency": "EUR"}, {"call_id", "disposition", "cost_currency"}),
}
IDENTITY = {"carrier", "record_id", "extra_source", "raw", "line"}
Row = tuple[object, ...]
TIMES_SIDES = ("started_at", "duration_seconds", "caller_id_number", "callee_id_number")
BERLIN = {"zone": "Europe/Berlin"}
# case: answers, columns, rows in UTC
CASES: dict[str, tuple[dict[str, str], tuple[str, ...], list[Row]]] = {
    "envelope_records.json": (
        {},
        ("record_id", "call_direction", *TIMES_SIDES),
        [
            ("r1", "outbound", "11-25 10:00:00", 90, "+4930111111", "+4930222222"),
            ("r2", "inbound", "11-25 10:05:00", 0, "+4930222222", "101"),
        ],
    ),
    "home_router.csv": (
        {**BERLIN, "duration": "h:mm", "inbound": "1,2"},
        (*TIMES_SIDES, "call_direction"),
        [
            ("11-26 08:05:00", 180, "030111111", "555123", "inbound"),
            ("11-26 09:15:00", 4320, "555123", "0043155500001", "outbound"),
            ("11-26 10:25:00", 0, "0170111111", "555123", "inbound"),
        ],
    ),
    "ids_month_1.csv": (
        {"currency": "EUR", "identity": "none"},
        ("record_id", "started_at", "cost"),
        [(None, "10-01 10:00:00", 0.1), (None, "10-02 10:00:00", 0.2), (None, "10-03 10:00:00", 0.3)],
    ),
    "ids_other_carrier.csv": (
        {"identity": "ref", "carrier": "other"},
        ("record_id", "carrier", *TIMES_SIDES),
        [
            ("1", "other", "11-05 08:00:00", 5, "+43155500001", "+43155500002"),
            ("2", "other", "11-05 09:00:00", 6, "+43155500001", "+43155500003"),
        ],
    ),
    "names_of_columns.csv": (
        BERLIN,
        TIMES_SIDES,
        [
            ("11-12 04:10:00", 54, "030-111111", "030-222221"),
            ("12-13 13:20:20", 305, "030-111111", "030-222222"),
        ],
    ),
    "pabx_smdr.log": (
        {"zone": "America/New_York"},
        ("line", "started_at", "caller_id_number", "callee_id_number", "call_direction", "ringing_seconds",
         "billing_seconds", "answered"),
        [
            (3, "11-25 18:05:00", "101", "2125550102", "outbound", None, 90, True),
            (4, "11-25 05:10:00", "6465550103", "102", "inbound", 7, 41, True),
            (6, "11-25 15:15:00", None, "103", "inbound", 12, 0, False),
            (9, "11-26 17:00:00", "101", "011442071230000", "outbound", None, 3605, True),
        ],
    ),
    "portal_us.csv": (
        {"zone": "America/New_York"},
        ("record_id", "started_at", "duration_seconds", "cost", "cost_currency", "callee_id_number"),
        [
            ("A1", "11-25 18:05:09", 90, 1234.5, "USD", "+1 (646) 555-0102"),
            ("A2", "11-25 05:00:00", 3723, 0.012, "USD", "16465550103"),
            ("A3", "11-25 17:30:00", 0, -0.5, "USD", "6465550104"),
        ],
    ),
    "proxy_flat.txt": (
        {},
        ("call_id", *TIMES_SIDES, "answered", "hangup_cause"),
        [
            ("c-1@192.0.2.1", "11-25 09:46:40", 90, "1001", "1002", True, "NORMAL_CLEARING"),
            ("c-2@192.0.2.1", "11-25 09:48:20", 0, "1001", "1003", False, "ORIGINATOR_CANCEL"),
        ],
    ),
    "same_names.csv": (
        BERLIN,
        ("record_id", *TIMES_SIDES, "caller_id_name", "callee_id_name"),
        [
            ("d1", "11-25 09:00:00", 60, "+4930111111", "+4930222222", "A", "B"),
            ("d2", "11-25 10:00:00", 30, "+4930111111", "+4930222223", "A", "C"),
        ],
    ),
    "statement.csv": (
        BERLIN,
        ("started_at", "duration_seconds", "cost", "cost_currency"),
        [("11-29 07:37:00", 60, 1234.1, "EUR"), ("11-02 17:20:00", 30, 0.05, "EUR")],
    ),
    "switch_nested.json": (
        {},
        ("record_id", *TIMES_SIDES, "answered_at", "billing_seconds", "hangup_cause", "caller_id_name"),
        [
            ("u-1", "11-25 09:46:40", 93, "4930111111", "004930222222", "11-25 09:46:43", 90, "NORMAL_CLEARING",
             "Desk"),
            ("u-2", "11-25 09:48:20", 10, "004930222222", "101", None, 0, "USER_BUSY", None),
        ],
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def without_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Built-in profiles are compared in other tests; here, that would take most of the time."""
    monkeypatch.setattr(drafting, "fitting_profiles", lambda *_: [])


def drafted(path: Path, answers: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    draft = draft_profile(path, answers=answers)
    assert "FILL IN" not in draft.text
    assert not draft.questions
    rows, rejects, _ = normalized(path, read_profile("drafted", draft.text), zone="UTC")
    return rows, rejects


@pytest.mark.parametrize("name", FILES)
def test_a_draft_has_the_values_of_the_built_in_profile(samples: Path, name: str) -> None:
    profile, answers, more = FILES[name]
    rows, rejects = drafted(samples / name, answers if profile in ("generic", "cucm") else {"zone": "UTC", **answers})
    expected, *_ = normalized(samples / name, load_profile(profile), zone="UTC")
    assert rejects.is_empty()
    columns = [column for column in expected.columns if column not in IDENTITY | more]
    assert rows.select(columns).rows(named=True) == expected.select(columns).rows(named=True)


def test_what_says_nothing_about_a_call_is_no_draft(samples: Path) -> None:
    with pytest.raises(UnreadableUpload, match="holds no calls"):
        draft_profile(samples / "kazoo_error_401.json")
    # A document without start, length and callee: the time it was stored is offered, and named as a guess.
    unknown = draft_profile(samples / "kazoo_couch_fixture_cdr.json").unknown
    assert any(text.startswith("which column is the start of a call: pvt_created") for text in unknown)


@pytest.mark.parametrize("name", CASES)
def test_a_made_case_comes_out_as_described(samples: Path, name: str) -> None:
    answers, columns, expected = CASES[name]
    path = samples.parent / "cases" / "import" / name
    if not path.exists():
        pytest.skip("the folder of made cases is not next to this checkout")
    rows, rejects = drafted(path, answers)
    times = [column for column in columns if column.endswith("_at")]
    shown = rows.select(columns).with_columns(
        *(pl.col(column).dt.strftime("%m-%d %H:%M:%S") for column in times),
        pl.col(pl.Decimal).cast(pl.Float64),
    )
    assert shown.rows() == expected
    # The third call of the proxy has not ended in its file.
    assert rejects["reason"].to_list() == (["broken_call"] if name == "proxy_flat.txt" else [])
