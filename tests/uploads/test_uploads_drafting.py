"""Drafts of profiles: what the file shows is decided, what it does not show is left open and said."""

from pathlib import Path

import pytest

from cdr_pipeline.errors import InvalidProfile, UnreadableUpload
from cdr_pipeline.sources.uploads.drafting import profile_draft
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.profiles import check_profile
from tests.support.uploads import normalized

# sample: profiles that it resembles, what is decided, what is not known
SAMPLES = {
    "asterisk_pjsip_Master.csv": (["asterisk_custom"], "no header line", "the zone"),
    "cisco_cucm_cdr_typed_header.txt": (["cucm"], "a row of types under the header", "what these columns mean"),
    "freepbx_cdr_report_download.csv": (["freepbx"], "times are written %Y-%m-%d %H:%M:%S", "the zone"),
    "freeswitch_docs_Master.csv": (["freeswitch"], "no header line", "the zone"),
    "generic_epoch_e164_cdrs.csv": ([], "times are epoch seconds, which have no zone", "which currency"),
    "kazoo_couch_fixture_cdr.json": ([], "JSON", "which column is the start"),
    "pbxware_asterisk_cdr_NULL_strings.csv": (["freepbx", "pbxware"], "a header line", "the zone"),
}


@pytest.fixture(autouse=True)
def compared_where_it_matters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built-in profiles are compared with real files only; the comparison takes most of the time of a draft."""
    if "samples" not in request.fixturenames:
        monkeypatch.setattr(profile_draft, "fitting_profiles", lambda *_: [])


@pytest.mark.parametrize("name", SAMPLES)
def test_a_real_file_is_recognised_and_what_it_cannot_say_is_named(samples: Path, name: str) -> None:
    resembles, decided, unknown = SAMPLES[name]
    draft = draft_profile(samples / name)
    assert draft.resembles == resembles
    assert decided in draft.decided
    assert any(text.startswith(unknown) for text in draft.unknown)


@pytest.mark.parametrize("name", ["kazoo_list_page_3.21.txt"])
def test_a_page_that_only_looks_like_json_is_refused(samples: Path, name: str) -> None:
    with pytest.raises(UnreadableUpload, match="no JSON"):
        draft_profile(samples / name)


def drafted(tmp_path: Path, text: str | bytes) -> tuple[str, list[str], list[str]]:
    """Text, what is decided, what is not known."""
    (tmp_path / "f.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    draft = draft_profile(tmp_path / "f.csv")
    return draft.text, draft.decided, draft.unknown


@pytest.mark.parametrize(
    ("time", "line"),
    [
        ("1772442000", 'notation = "epoch_seconds"'),
        ("1772442000123", 'notation = "epoch_milliseconds"'),
        ("63939661200", 'notation = "gregorian_seconds"'),
        ("2026-03-02T09:00:00Z", 'notation = "iso8601"'),
        ("2026-03-02 09:00:00", 'formats = ["%Y-%m-%d %H:%M:%S"]'),
        ("13/03/2026 09:00", 'formats = ["%d/%m/%Y %H:%M"]'),
        ("03/13/2026 09:00:00", 'formats = ["%m/%d/%Y %H:%M:%S"]'),
        ("20260302090000.5", 'formats = ["%Y%m%d%H%M%S%.f"]'),
        ("3rd of March", 'formats = ["FILL IN: %d/%m/%Y %H:%M:%S or %m/%d/%Y %H:%M:%S"]'),
    ],
)
def test_times_are_recognised_by_what_they_can_only_be(tmp_path: Path, time: str, line: str) -> None:
    assert line in drafted(tmp_path, f"id,start\n1,{time}\n")[0].splitlines()


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_cuts_all_lines_alike(tmp_path: Path, mark: str) -> None:
    text = f"id{mark}start{mark}name\n1{mark}2026-03-02 09:00:00{mark}a\n2{mark}2026-03-02 09:00:00{mark}b\n"
    assert f"3 columns, delimiter {mark!r}" in drafted(tmp_path, text)[1]


def test_durations_money_nulls_and_encoding_are_looked_at(tmp_path: Path) -> None:
    lines = [
        "id;start;duration;cost;name",
        "1;2026-03-02 09:00:00;00:01:05;0,05;Zoë",
        "2;2026-03-02 09:01:00;00:00:05;NULL;",
    ]
    text, decided, unknown = drafted(tmp_path, "\n".join(lines).encode("cp1252"))
    assert "encoding cp1252" in decided
    assert "durations are HH:MM:SS" in decided
    assert 'nulls = ["NULL"]' in text
    assert "which currency the money is in" in unknown


def test_durations_with_decimals_have_no_unit_that_a_file_could_tell(tmp_path: Path) -> None:
    _, _, unknown = drafted(tmp_path, "id,start,duration\n1,2026-03-02 09:00:00,1.5\n")
    assert any("unit of durations" in text for text in unknown)


def test_a_draft_is_no_profile_before_it_is_filled_in(tmp_path: Path) -> None:
    text, *_ = drafted(tmp_path, "id,start\n1,2026-03-02 09:00:00\n")
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InvalidProfile, match="still to be filled in: line "):
        check_profile(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text(text.replace("FILL IN, such as Europe/Berlin", "UTC"))
    assert check_profile(tmp_path / "mine.toml").time_zone == "UTC"


@pytest.mark.parametrize("text", ["", "\n\n", "one column\nof text\n"])
def test_a_file_without_rows_or_columns_is_no_model_for_a_profile(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableUpload):
        drafted(tmp_path, text)


@pytest.mark.fault("R107")
@pytest.mark.parametrize("first", [0, 1])
def test_a_running_row_number_is_no_identity_without_a_question(tmp_path: Path, first: int) -> None:
    rows = "".join(f"{first + row},2026-03-02T09:00:0{row}Z\n" for row in range(3))
    text, _, unknown = drafted(tmp_path, f"id,start\n{rows}")
    assert any(question.startswith("whether id identifies a record") for question in unknown)
    assert "# id counts the rows" in text


@pytest.mark.fault("R107")
def test_ids_that_do_not_count_the_rows_raise_no_question(tmp_path: Path) -> None:
    rows = "".join(f"{id_},2026-03-02T09:00:00Z\n" for id_ in ("7401", "7402", "7404"))
    assert not any("identifies a record" in text for text in drafted(tmp_path, f"id,start\n{rows}")[2])


def test_a_date_with_dots_is_no_time_of_day(tmp_path: Path) -> None:
    rows = "".join(f"x-{day}a;0{day}.03.26;11:36:1{day};00:19:29;+4930000000{day}\n" for day in range(1, 8))
    text, decided, _ = drafted(tmp_path, rows + "x-9a;14.03.26;09:00:00;00:01:00;+49300000009\n")
    assert 'call_start = ["column_2", "column_3"]' in text
    assert "times are written %d.%m.%y %H:%M:%S" in decided


def test_a_length_between_date_and_time_of_day_raises_a_question(tmp_path: Path) -> None:
    rows = "x-1a;14.03.26;00:19:29;11:36:12\nx-2a;15.03.26;00:09:29;09:36:12\n"
    text, _, unknown = drafted(tmp_path, rows)
    assert "which column is the time of day at which a call starts: column_3 or column_4" in unknown
    assert 'call_start = ["column_2", "FILL IN: column_3 or column_4"]' in text
    answered = draft_profile(tmp_path / "f.csv", answers={"time_of_day": "column_4"}).text
    assert 'call_start = ["column_2", "column_4"]' in answered
    assert 'duration_seconds = "column_3"' in answered


def test_an_own_number_needs_to_know_which_calls_are_inbound(tmp_path: Path) -> None:
    rows = "Typ;Datum;Rufnummer;Eigene Rufnummer;Dauer\n1;14.03.26 09:00;030111111;555123;0:03:00\n"
    assert 'call_direction = "FILL IN: answer which values of typ mark inbound calls"' in drafted(tmp_path, rows)[0]


@pytest.mark.parametrize("before", ["", "sep=;\n", "Report of calls\nMarch 2026\n"])
def test_lines_quoted_as_a_whole_are_unwrapped_below_titles(tmp_path: Path, before: str) -> None:
    rows = "".join(f'"x-{day};2026-03-0{day} 09:00:00;+4930000000{day};60"\n' for day in range(1, 7))
    text, decided, _ = drafted(tmp_path, before + '"ID;Start;Caller;Duration (s)"\n' + rows + "Total;6\n")
    assert "every line is quoted as a whole" in decided
    assert 'caller_id_number = "caller"' in text


def test_quotes_within_lines_quoted_as_a_whole_are_single_ones(tmp_path: Path) -> None:
    rows = "".join(f'"x-{day},2026-03-0{day} 09:00:00,+4930000000{day},""0,5{day}"""\n' for day in range(1, 7))
    (tmp_path / "f.csv").write_text('"ID,Start,Caller,Cost"\n' + rows)
    answers = {"zone": "UTC", "currency": "EUR"}
    (tmp_path / "mine.toml").write_text(draft_profile(tmp_path / "f.csv", answers=answers).text)
    read, rejects, _ = normalized(tmp_path / "f.csv", check_profile(tmp_path / "mine.toml"))
    assert [str(cost.normalize()) for cost in read["cost"]] == ["0.51", "0.52", "0.53", "0.54", "0.55", "0.56"]
    assert rejects.is_empty()


def test_a_delimiter_that_splits_no_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableUpload, match="';' splits no line into fields"):
        drafted(tmp_path, "sep=;\nid,start\n1,2026-03-02 09:00:00\n")
