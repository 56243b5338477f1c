"""Made files that an importer meets first: what comes out of the draft, with its questions answered.

The files and their descriptions are next to the checkout; this module states each description as data.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.normalize.segments import join_segments
from cdr_pipeline.errors import UploadHeld
from cdr_pipeline.sources.uploads.drafting import profile_draft
from cdr_pipeline.sources.uploads.drafting.draft import Draft
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.sources.uploads.profiles import read_profile
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from tests.support.uploads import opened, own_profile, stored

BERLIN, NEW_YORK = {"zone": "Europe/Berlin"}, {"zone": "America/New_York"}
IDS = ("ids_month_1.csv", "ids_month_2.csv", "ids_other_carrier.csv")


@dataclass(frozen=True)
class Case:
    """What comes out of one file.

    Attributes:
        columns: fields of the rows; times without their year, in UTC.
        rows: expected rows.
        lines: lines read, merged and rejected; the rest is filtered.
        answers: answers to the draft's questions.
        country: country code of national numbers.
        asks: keys of the questions without an answer.
        decided: beginnings of sentences that the draft prints.
    """

    columns: str
    rows: list[tuple[Any, ...]]
    lines: tuple[int, int, int]
    answers: dict[str, str] = field(default_factory=dict[str, str])
    country: str = "49"
    asks: frozenset[str] = frozenset()
    decided: tuple[str, ...] = ()


MONTH = "record_id started_at cost caller_e164 callee_e164"
CASES = {
    "envelope_records.json": Case(
        "record_id started_at call_direction caller_e164 callee_e164 callee_id_number duration_seconds",
        [
            ("r1", "11-25 10:00:00", "outbound", "+4930111111", "+4930222222", "+4930222222", 90),
            ("r2", "11-25 10:05:00", "inbound", "+4930222222", None, "101", 0),
        ],
        (2, 2, 0),
        decided=("the records are the list records",),
    ),
    "home_router.csv": Case(
        "line started_at duration_seconds call_direction caller_e164 callee_e164",
        [
            (3, "11-26 08:05:00", 180, "inbound", "+4930111111", "+49555123"),
            (4, "11-26 09:15:00", 4320, "outbound", "+49555123", "+43155500001"),
            (5, "11-26 10:25:00", 0, "inbound", "+49170111111", "+49555123"),
        ],
        (5, 3, 0),
        BERLIN | {"duration": "h:mm", "inbound": "1,2"},
        asks=frozenset({"zone", "duration", "inbound"}),
        decided=(
            "encoding cp1252",
            "the first line names the delimiter (sep=;), and is skipped",
            "times are written %d.%m.%y %H:%M",
            "times are precise to the minute",
        ),
    ),
    "ids_month_1.csv": Case(
        MONTH,
        [
            (str(day), f"10-0{day} 10:00:00", day / 10, "+4930111111", f"+493022222{day}") for day in (1, 2, 3)
        ],
        (4, 3, 0),
        {"currency": "EUR", "identity": "id"},
        asks=frozenset({"currency", "identity"}),
    ),
    "ids_month_2.csv": Case(
        MONTH,
        [
            (str(day), f"11-0{day} 10:00:00", day / 100, "+4930111199", f"+493022233{day}") for day in (1, 2, 3)
        ],
        (4, 3, 0),
        {"currency": "EUR", "identity": "id"},
        asks=frozenset({"currency", "identity"}),
    ),
    "ids_other_carrier.csv": Case(
        "record_id carrier started_at duration_seconds caller_e164 callee_e164",
        [
            ("1", "other", "11-05 08:00:00", 5, "+43155500001", "+43155500002"),
            ("2", "other", "11-05 09:00:00", 6, "+43155500001", "+43155500003"),
        ],
        (3, 2, 0),
        {"identity": "ref", "carrier": "other"},
        asks=frozenset({"identity"}),
    ),
    "names_of_columns.csv": Case(
        "started_at duration_seconds caller_e164 callee_e164",
        [
            ("11-12 04:10:00", 54, "+4930111111", "+4930222221"),
            ("12-13 13:20:20", 305, "+4930111111", "+4930222222"),
        ],
        (3, 2, 0),
        BERLIN,
        asks=frozenset({"zone"}),
        decided=("times are written %m/%d/%Y %H:%M:%S",),
    ),
    "pabx_smdr.log": Case(
        "line started_at caller_id_number callee_id_number caller_e164 callee_e164 call_direction ringing_seconds"
        " billing_seconds answered",
        [
            (3, "11-25 18:05:00", "101", "2125550102", None, "+12125550102", "outbound", None, 90, True),
            (4, "11-25 05:10:00", "6465550103", "102", "+16465550103", None, "inbound", 7, 41, True),
            (6, "11-25 15:15:00", None, "103", None, None, "inbound", 12, 0, False),
            (9, "11-26 17:00:00", "101", "011442071230000", None, "+442071230000", "outbound", None, 3605, True),
        ],
        (9, 4, 0),
        NEW_YORK,
        "1",
        asks=frozenset({"zone"}),
        decided=("fixed width, 9 columns", "4 lines of the sample are page headers or rules", "<I> before a number"),
    ),
    "portal_us.csv": Case(
        "record_id started_at duration_seconds cost cost_currency callee_e164",
        [
            ("A1", "11-25 18:05:09", 90, 1234.5, "USD", "+16465550102"),
            ("A2", "11-25 05:00:00", 3723, 0.012, "USD", "+16465550103"),
            ("A3", "11-25 17:30:00", 0, -0.5, "USD", "+16465550104"),
        ],
        (4, 3, 0),
        NEW_YORK,
        "1",
        asks=frozenset({"zone"}),
        decided=(
            "the start of a call is call date and call time together",
            "times are written %m/%d/%Y %I:%M:%S %p",
            "amounts are in USD, by a sign in the amounts",
        ),
    ),
    "proxy_flat.txt": Case(
        "call_id started_at ended_at duration_seconds answered hangup_cause caller_id_number callee_id_number",
        [
            ("c-1@192.0.2.1", "11-25 09:46:40", "11-25 09:48:10", 90, True, "NORMAL_CLEARING", "1001", "1002"),
            # Its end is not in the file; a call of no length ends when it begins.
            ("c-2@192.0.2.1", "11-25 09:48:20", "11-25 09:48:20", 0, False, "ORIGINATOR_CANCEL", "1001", "1003"),
        ],
        # The third call has not ended in its file.
        (4, 2, 1),
        decided=("column_1 tells the row that begins a call from the one that ends it; column_4 joins them",),
    ),
    "same_names.csv": Case(
        "record_id started_at duration_seconds caller_e164 callee_e164 caller_id_name callee_id_name",
        [
            ("d1", "11-25 09:00:00", 60, "+4930111111", "+4930222222", "A", "B"),
            ("d2", "11-25 10:00:00", 30, "+4930111111", "+4930222223", "A", "C"),
        ],
        (3, 2, 0),
        BERLIN,
        asks=frozenset({"zone"}),
        decided=("a header line", "the header names columns alike"),
    ),
    "statement.csv": Case(
        "started_at duration_seconds cost cost_currency caller_e164 callee_e164",
        [
            ("11-29 07:37:00", 60, 1234.1, "EUR", "+4930111111", "+4930222222"),
            ("11-02 17:20:00", 30, 0.05, "EUR", "+4930111111", "+4930222223"),
        ],
        (7, 2, 0),
        BERLIN,
        asks=frozenset({"zone"}),
        decided=(
            "amounts are in EUR, by the name of its column",
            "the decimal mark is a comma",
            "times are written %d/%m/%Y %H:%M:%S",
            "the last line states totals of duration (s), amount (eur), which are those of the rows",
        ),
    ),
    "switch_nested.json": Case(
        "record_id started_at answered_at duration_seconds billing_seconds hangup_cause caller_id_number caller_e164"
        " caller_id_name callee_id_number callee_e164",
        [
            ("u-1", "11-25 09:46:40", "11-25 09:46:43", 93, 90, "NORMAL_CLEARING", "4930111111", "+4930111111", "Desk",
             "004930222222", "+4930222222"),
            ("u-2", "11-25 09:48:20", None, 10, 0, "USER_BUSY", "004930222222", "+4930222222", None, "101", None),
        ],
        (2, 2, 0),
        decided=("values are nested; columns are paths",),
    ),
}  # fmt: skip


@pytest.fixture
def cases(samples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the made cases. Built-in profiles are not compared, which would take most of the time."""
    folder = samples.parent / "cases" / "import"
    if not folder.is_dir():
        pytest.skip("the folder of made cases is not next to this checkout")
    monkeypatch.setattr(profile_draft, "fitting_profiles", lambda *_: [])
    return folder


def answered(path: Path, answers: dict[str, str]) -> Draft:
    """A draft without open questions."""
    draft = draft_profile(path, answers=answers)
    assert not draft.questions
    assert "FILL IN" not in draft.text
    return draft


def test_every_made_file_has_a_case(cases: Path) -> None:
    assert sorted(CASES) == sorted(path.name for path in cases.iterdir() if not path.name.endswith(".expected.md"))


@pytest.mark.parametrize("name", CASES)
def test_a_made_file_comes_out_as_described(cases: Path, name: str) -> None:
    case = CASES[name]
    profile = read_profile("drafted", answered(cases / name, case.answers).text)
    (records,) = read_upload(cases / name, profile)
    joined = join_segments(records.frame, profile)
    sifted = normalize_imported(
        joined.rows, profile, account_id="acct", account_time_zone="UTC", account_country_code=case.country
    )
    rejects = records.rejects.height + joined.rejects.height + sifted.rejects.height
    assert (records.read, sifted.rows.height, rejects) == case.lines
    columns = case.columns.split()
    shown = sifted.rows.select(columns).with_columns(
        *(pl.col(column).dt.strftime("%m-%d %H:%M:%S") for column in columns if column.endswith("_at")),
        pl.col(pl.Decimal).cast(pl.Float64),
    )
    assert shown.rows() == case.rows


@pytest.mark.parametrize("name", CASES)
def test_a_draft_of_a_made_file_prints_what_it_found_and_asks(cases: Path, name: str) -> None:
    draft = draft_profile(cases / name)
    assert {question.key for question in draft.questions} == CASES[name].asks
    missing = [start for start in CASES[name].decided if not any(text.startswith(start) for text in draft.decided)]
    assert missing == []


def test_ids_that_restart_hold_the_second_file_of_a_carrier(cases: Path, ctx: RunContext) -> None:
    opened(ctx)
    for name in (IDS[0], IDS[2]):
        own_profile(ctx, name.removesuffix(".csv"), answered(cases / name, CASES[name].answers).text)
    import_upload(UploadRequest(cases / IDS[0], "acct", "ids_month_1"), ctx)
    first = stored(ctx, "record_id, started_at, cost")
    with pytest.raises(UploadHeld, match="3 records carry ids of other calls"):
        import_upload(UploadRequest(cases / IDS[1], "acct", "ids_month_1"), ctx)
    import_upload(UploadRequest(cases / IDS[2], "acct", "ids_other_carrier"), ctx)
    assert stored(ctx, "record_id, started_at, cost", "carrier IS NULL") == first
    assert stored(ctx, "call_id", "carrier = 'other'") == [("1",), ("2",)]
