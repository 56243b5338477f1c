"""What a profile can express: amounts, durations, derived columns, nested JSON, calls of several events, causes."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from cdr_pipeline.errors import InvalidProfile, UnreadableUpload
from cdr_pipeline.sources.uploads.profiles import check_profile
from tests.support.uploads import normalized

START = '[time]\nnotation = "any"\n[fields]\nstarted_at = "start"\n'


def read(tmp_path: Path, profile: str, text: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Canonical rows and rejects of a file with a profile."""
    (tmp_path / "mine.toml").write_text(profile)
    (tmp_path / "f.txt").write_text(text)
    rows, rejects, _ = normalized(tmp_path / "f.txt", check_profile(tmp_path / "mine.toml"))
    return rows, rejects


def value(tmp_path: Path, head: str, field: str, text: str) -> object:
    """One field of a file of one row and one column besides the start; the reason if the row is rejected."""
    rows, rejects = read(tmp_path, head + START + f'{field} = "v"\n', f"start|v\n2026-03-02T09:00:00Z|{text}\n")
    return rows[field].item() if rows.height else rejects["reason"].item()


DOLLARS = 'currency = "USD"\ncurrency_marks = ["$", "USD"]\nthousands_mark = ","\n'
PIPES = '[layout]\ndelimiter = "|"\n'


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$1,234.50", "1234.5"),
        ("($0.50)", "-0.5"),
        ("-$0.0120", "-0.012"),
        ("USD 12", "12"),
        ("1,234,567.00", "1234567"),
        ("0.50-", "-0.5"),
    ],
)
def test_amounts_may_have_marks_thousands_and_parentheses(tmp_path: Path, text: str, amount: str) -> None:
    assert value(tmp_path, DOLLARS + PIPES, "cost", text) == Decimal(amount)


@pytest.mark.parametrize("text", ["1,23.50", "1,2345", "0,050", "€5"])
def test_an_amount_in_another_notation_is_rejected(tmp_path: Path, text: str) -> None:
    expected = "not_a_number"
    assert value(tmp_path, 'currency_marks = ["$"]\n' + PIPES, "cost", text) == expected


@pytest.mark.parametrize(
    ("unit", "text", "seconds"),
    [
        ("hh:mm", "0:03", "180"),
        ("hmmt", "0015", "90"),
        ("hmmt", "1307", "5442"),
        ("hh:mm", "1:12", "4320"),
        ("hh:mm:ss", "0:03", "3"),
        ("hh:mm:ss", "26:03:04", "93784"),
        ("hh:mm:ss", "1.02:03:04", "93784"),
        ("text", "10s", "10"),
        ("text", "1m30s", "90"),
        ("text", "1 h 2 min 3 sec", "3723"),
        ("text", "PT1M30S", "90"),
        ("text", "PT1H0.5S", "3600.5"),
        ("text", "00:01'30", "90"),
        ("text", "01:00'05", "3605"),
        ("text", "0'41", "41"),
        ("text", "1:02:03", "3723"),
    ],
)
def test_durations_are_read_in_the_unit_of_the_profile(tmp_path: Path, unit: str, text: str, seconds: str) -> None:
    assert value(tmp_path, f'duration_unit = "{unit}"\n' + PIPES, "duration_seconds", text) == Decimal(seconds)


@pytest.mark.parametrize(("unit", "text"), [("text", "1:12"), ("text", "90"), ("hh:mm", "0:72"), ("hh:mm", "1:02:03")])
def test_a_duration_without_a_certain_unit_is_rejected(tmp_path: Path, unit: str, text: str) -> None:
    assert value(tmp_path, f'duration_unit = "{unit}"\n' + PIPES, "duration_seconds", text) == "not_a_number"


@pytest.mark.parametrize(
    ("steps", "text", "expected"),
    [
        ('remove_prefix = "9#"', "9#4930", "4930"),
        ('split = "@"', "4930@192.0.2.1", "4930"),
        ('split = "/"\npart = -1', "SIP/trunk/4930", "4930"),
        ("match = '^sip:(\\d+)'", "sip:4930;x", "4930"),
        ("match = '^sip:(\\d+)'", "tel:4930", None),
        ('nothing = ["0"]', "0", None),
        ('nothing = ["0"]\ndefault = "none"', "0", "none"),
    ],
)
def test_a_derived_column_is_made_by_its_steps(tmp_path: Path, steps: str, text: str, expected: str | None) -> None:
    profile = START + f'callee_id_number = "made"\n[derive.made]\nsource = "v"\n{steps}\n'
    rows, _ = read(tmp_path, profile, f"start,v\n2026-03-02T09:00:00Z,{text}\n")
    assert rows["callee_id_number"].to_list() == [expected]
    assert rows["extra_source"].to_list() == [None]


def test_caller_and_callee_are_swapped_by_a_mark(tmp_path: Path) -> None:
    profile = (
        START
        + 'caller_id_number = ["outside", "own"]\ncallee_id_number = ["dialled", "ext"]\ncall_direction = "way"\n'
        + "[derive.outside]\nsource = 'number'\nmatch = '^<I>(.*)$'\n"
        + "[derive.own]\nsource = 'ext'\nunless = { number = '^<I>' }\n"
        + "[derive.dialled]\nsource = 'number'\nunless = { number = '^<I>' }\n"
        + "[derive.way]\nsource = 'number'\nmatch = '^(<I>)'\ndefault = 'outbound'\n"
        + "[values.call_direction]\n'<I>' = 'inbound'\n"
    )
    lines = ["start,ext,number", "2026-03-02T09:00:00Z,101,2125550102", "2026-03-02T09:01:00Z,102,<I>6465550103"]
    rows, _ = read(tmp_path, profile, "\n".join(lines) + "\n2026-03-02T09:02:00Z,103,<I>\n")
    assert rows.select("caller_id_number", "callee_id_number", "call_direction").rows() == [
        ("101", "2125550102", "outbound"),
        ("6465550103", "102", "inbound"),
        (None, "103", "inbound"),
    ]


def test_a_name_that_the_header_repeats_gets_a_number(tmp_path: Path) -> None:
    profile = "[layout]\nnumber_names = true\n" + START + 'caller_id_number = "number"\ncallee_id_number = "number 2"\n'
    rows, _ = read(tmp_path, profile, "start,Number,Number\n2026-03-02T09:00:00Z,+4930111111,+4930222222\n")
    assert rows.select("caller_id_number", "callee_id_number").rows() == [("+4930111111", "+4930222222")]


FLOW = '{"caller_profile": {"caller_id_number": "101"}}'
NESTED = """native_id = "variables.uuid"
[layout]
format = "json"
[time]
notation = "epoch_seconds"
zero_is_no_time = true
[fields]
started_at = "variables.start_epoch"
answered_at = "variables.answer_epoch"
caller_id_number = "callflow.0.caller_profile.caller_id_number"
duration_seconds = "variables.duration"
"""


def test_columns_of_nested_json_are_paths(tmp_path: Path) -> None:
    documents = [
        '{"Variables": {"uuid": "u-1", "start_epoch": "1772442000", "answer_epoch": "0"}, "callflow": [FLOW]}',
        '{"variables": {"uuid": "u-2", "start_epoch": "1772442060", "duration": 7}, "callflow": []}',
        '{"other": 1}',
    ]
    rows, rejects = read(tmp_path, NESTED, "\n".join(documents).replace("FLOW", FLOW) + "\n")
    assert rows.select("record_id", "caller_id_number", "duration_seconds", "answered").rows() == [
        ("u-1", "101", None, False),
        ("u-2", None, Decimal(7), False),
    ]
    assert rejects["reason"].to_list() == ["not_a_record"]


def test_the_list_of_records_may_have_any_key(tmp_path: Path) -> None:
    profile = START.replace('"start"', '"at"').replace(
        "[time]", '[layout]\nformat = "json"\nrecords = "page.Calls"\n[time]'
    )
    text = '{"page": {"calls": [{"at": "2026-03-02T09:00:00Z"}, {"at": "2026-03-02T09:01:00Z"}]}}'
    assert read(tmp_path, profile, text)[0].height == 2


EVENTS = """cause_codes = "sip"
[layout]
delimiter = "|"
header = false
columns = ["method", "call", "code", "time"]
[segments]
key = "call"
begin = { method = "^INVITE$" }
alone = { code = "^[3-6]" }
end = { method = "^BYE$" }
from_end = { ended = "time" }
[time]
notation = "epoch_seconds"
[fields]
call_id = "call"
started_at = "time"
ended_at = "ended"
hangup_cause = "code"
"""


def test_rows_that_begin_and_end_a_call_are_one_record(tmp_path: Path) -> None:
    lines = [
        "INVITE|c1|200|1772442000",
        "INVITE|c2|487|1772442010",
        "BYE|c1|200|1772442090",
        "INVITE|c3|200|1772442020",
        "BYE|c4|200|1772442030",
        "INVITE|c1|200|1772442100",
        "BYE|c1|200|1772442130",
    ]
    rows, rejects = read(tmp_path, EVENTS, "\n".join(lines))
    assert rows.select("line", "call_id", "duration_seconds", "hangup_cause").rows() == [
        (1, "c1", Decimal(90), "NORMAL_CLEARING"),
        (2, "c2", Decimal(0), "ORIGINATOR_CANCEL"),
        (6, "c1", Decimal(30), "NORMAL_CLEARING"),
    ]
    assert rejects.select("line", "reason").rows() == [(4, "broken_call"), (5, "broken_call")]


def test_causes_of_two_columns_become_the_names_of_the_switch(tmp_path: Path) -> None:
    profile = (
        'cause_codes = "q850"\n' + START + 'hangup_cause = ["first", "second"]\n'
        '[derive.first]\nsource = "a"\nnothing = ["0"]\n[derive.second]\nsource = "b"\nnothing = ["0"]\n'
    )
    text = "start,a,b\n2026-03-02T09:00:00Z,0,16\n2026-03-02T09:00:01Z,17,0\n2026-03-02T09:00:02Z,999,0\n"
    assert read(tmp_path, profile, text)[0]["hangup_cause"].to_list() == ["NORMAL_CLEARING", "USER_BUSY", "999"]


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (START.replace('"any"', '"local"\nformats = ["%d/%m/%Q"]'), "cannot be read: %d/%m/%Q"),
        (START.replace('"any"', '"local"\nformats = ["dd.MM.yyyy"]'), "cannot be read: dd.MM.yyyy"),
        (START + "[derive.x]\nmatch = '^(a)'\n", "derive needs columns in source"),
        (START + "[derive.x]\nsource = 'a'\nmatch = '^a'\n", "match needs one group"),
        (START + "[derive.x]\nsource = 'a'\nmatch = '('\n", "regular expression"),
        (START + "[derive.x]\nsource = 'a'\npart = 0\n", "part counts from 1"),
        (START + "[segments]\nkey = 'a'\nbegin = { m = 'I' }\n", "begin needs segments.end"),
    ],
)
def test_a_profile_that_cannot_work_is_named_with_its_key(tmp_path: Path, profile: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(profile)
    with pytest.raises(InvalidProfile, match=said.replace("(", r"\(")):
        check_profile(tmp_path / "mine.toml")


CLOCKS = """
[time]
formats = ["%Y%m%d %H:%M"]
zone = "UTC"
[derive.day]
source = "file_name"
match = "(20[0-9]{6})"
[combine]
start = ["day", "clock"]
[fields]
started_at = "start"
"""


def test_the_date_may_be_in_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(CLOCKS)
    for name in ("calls_20260302.csv", "calls.csv"):
        (tmp_path / name).write_text("clock,shape\n09:30,round\n")
    rows, _, _ = normalized(tmp_path / "calls_20260302.csv", check_profile(tmp_path / "mine.toml"))
    assert f"{rows['started_at'].item():%Y-%m-%d %H:%M}" == "2026-03-02 09:30"
    assert rows["extra_source"].item() == '{"shape":"round"}'
    with pytest.raises(UnreadableUpload, match=r"calls\.csv has a name without .*, from which profile mine takes day"):
        normalized(tmp_path / "calls.csv", check_profile(tmp_path / "mine.toml"))


def test_a_name_of_a_file_cannot_date_calls_of_several_files(tmp_path: Path) -> None:
    segments = '[segments]\nkey = ["call"]\ncontinued = "more"\n'
    (tmp_path / "mine.toml").write_text(CLOCKS + segments)
    with pytest.raises(InvalidProfile, match="file_name cannot be used with segments"):
        check_profile(tmp_path / "mine.toml")
