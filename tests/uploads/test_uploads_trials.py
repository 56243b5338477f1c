"""A draft tries itself: what the file shows is mapped by names and contents, and few questions are left."""

from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdr_pipeline.cli.uploads.profiles import profiles_app
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.draft import Draft
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.profiles import check_profile
from tests.support.uploads import normalized

Rows = list[tuple[object, ...]]
COLUMNS = ("started_at", "duration_seconds", "caller_id_number", "callee_id_number")


def drafted(tmp_path: Path, text: str | bytes, **answers: str) -> Draft:
    (tmp_path / "f.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return draft_profile(tmp_path / "f.csv", answers=answers)


def asked(draft: Draft) -> set[str]:
    """Keys of the open questions."""
    return {question.key for question in draft.questions}


def merged(tmp_path: Path, text: str | bytes, *columns: str, **answers: str) -> Rows:
    """Values of a file that is read with its draft, after the answers; no row is rejected."""
    draft = drafted(tmp_path, text, **answers)
    (tmp_path / "mine.toml").write_text(draft.text)
    rows, rejects, _ = normalized(tmp_path / "f.csv", check_profile(tmp_path / "mine.toml"), zone="UTC")
    assert rejects.is_empty()
    times = [name for name in columns or COLUMNS if name.endswith("_at")]
    return rows.select(columns or COLUMNS).with_columns(rows[name].dt.strftime("%d %H:%M:%S") for name in times).rows()


def test_titles_units_and_a_total_of_a_statement_are_understood(tmp_path: Path) -> None:
    text = (
        'Carrier statement,,,,\nPeriod,11/2026,,,\n\n"Start Time\t","Caller Number","Callee Number","Duration (s)",'
        '"Amount (EUR)"\n29/11/2026 8:37:00,+4930111,+4930222,60,"1.234,10"\n2/11/2026 18:20:00,+4930111,+4930223,30,'
        '"0,05"\nTotal,,,90,"1.234,15"\n'
    )
    draft = drafted(tmp_path, text)
    assert asked(draft) == {"zone"}
    assert "(?P<seconds>" in draft.text
    assert "(?P<cost>" in draft.text
    assert merged(tmp_path, text, "started_at", "duration_seconds", "cost", zone="UTC") == [
        ("29 08:37:00", Decimal(60), Decimal("1234.10")),
        ("02 18:20:00", Decimal(30), Decimal("0.05")),
    ]


def test_date_and_time_apart_am_pm_and_dollars_are_understood(tmp_path: Path) -> None:
    text = (
        "Ref,Call Date,Call Time,From,To,Length,Charge\nA1,11/25/2026,1:05:09 PM,(212) 555-0101,6465550102,0:01:30,"
        '"$1,234.50"\nA2,11/25/2026,12:00:00 AM,2125550101,6465550103,1:02:03,($0.50)\n'
    )
    assert asked(drafted(tmp_path, text)) == {"zone"}
    assert merged(tmp_path, text, "started_at", "duration_seconds", "cost", "cost_currency", zone="UTC") == [
        ("25 13:05:09", Decimal(90), Decimal("1234.5"), "USD"),
        ("25 00:00:00", Decimal(3723), Decimal("-0.5"), "USD"),
    ]


@pytest.mark.parametrize(("answer", "seconds"), [("m:ss", 72), ("h:mm", 4320)])
def test_minutes_or_hours_are_asked_because_no_file_can_tell(tmp_path: Path, answer: str, seconds: int) -> None:
    text = "sep=;\r\nDatum;Rufnummer;Eigene Rufnummer;Dauer\r\n26.11.26 09:05;030111111;555123;1:12\r\n"
    draft = drafted(tmp_path, text)
    assert asked(draft) == {"zone", "duration"}
    assert 'precision = "minute"' in draft.text
    assert merged(tmp_path, text, zone="UTC", duration=answer) == [
        ("26 09:05:00", Decimal(seconds), "555123", "030111111")
    ]


@pytest.mark.parametrize(
    ("header", "number"),
    [
        ("call_start;A Number;B Number;Talk Time", "billing_seconds"),
        ("setupTime;Calling_Phone_no;Called_Phone_no;Call Length", "duration_seconds"),
        ("Startzeit;Anrufer;Zielrufnummer;Gesprächsdauer", "duration_seconds"),
        ("Date début;Appelant;Appelé;Durée (s)", "duration_seconds"),
        ("Fecha inicio;Origen;Destino;Duración", "duration_seconds"),
        ("Data hora;Número origem;Número destino;Duração", "duration_seconds"),
        ("Data ora;Chiamante;Chiamato;Durata", "duration_seconds"),
        ("Begintijd;Beller;Bestemming;Gespreksduur", "duration_seconds"),
    ],
)
def test_names_of_seven_languages_are_known(tmp_path: Path, header: str, number: str) -> None:
    text = f"{header}\n2026-11-25 10:00:00;+4930111111;+4930222222;61\n2026-11-25 11:00:00;+4930111112;+4930222223;62\n"
    assert merged(tmp_path, text, "started_at", number, "caller_id_number", "callee_id_number", zone="UTC") == [
        ("25 10:00:00", Decimal(61), "+4930111111", "+4930222222"),
        ("25 11:00:00", Decimal(62), "+4930111112", "+4930222223"),
    ]


def test_zones_that_fit_are_proposed_and_another_answer_is_questioned(tmp_path: Path) -> None:
    # 10:00 and 11:00 UTC, in summer and in winter.
    text = (
        "id,start,caller,callee,seconds\n"
        "1784109600.1,2026-07-15 06:00:00,+12125550100,+12125550101,60\n"
        "1795604400.2,2026-11-25 06:00:00,+12125550100,+12125550101,60\n"
    )
    open_draft = drafted(tmp_path, text)
    (question,) = [question for question in open_draft.questions if question.key == "zone"]
    assert question.assumed == "America/New_York"
    assert question.choices == ("America/New_York", "account")
    assert "at UTC -5 h or -4 h" in question.text
    assert not any("why the times" in said for said in drafted(tmp_path, text, zone="America/New_York").unknown)
    for zone in ("UTC", "America/Chicago", "America/Bogota"):
        doubted = drafted(tmp_path, text, zone=zone).unknown
        assert any(said.startswith(f"why the times are not those of {zone}: ") for said in doubted), zone


def test_columns_without_a_header_are_told_apart_by_their_values(tmp_path: Path) -> None:
    rows = [
        '"A" <101>,101,0301234,2026-11-25 10:00:00,2026-11-25 10:00:05,2026-11-25 10:01:05,65,60,ANSWERED,1795600800.1',
        '"B" <102>,102,0301235,2026-11-25 11:00:00,,2026-11-25 11:00:30,30,0,NO ANSWER,1795604400.7',
    ]
    text = "\n".join(rows) + "\n"
    draft = drafted(tmp_path, text)
    assert any("at UTC +0 h" in question.text for question in draft.questions)
    assert merged(tmp_path, text, *COLUMNS, "billing_seconds", "disposition", zone="UTC") == [
        ("25 10:00:00", Decimal(65), "101", "0301234", Decimal(60), "ANSWERED"),
        ("25 11:00:00", Decimal(30), "102", "0301235", Decimal(0), "NO ANSWER"),
    ]


def test_lengths_with_units_and_amounts_are_no_numbers_of_phones(tmp_path: Path) -> None:
    text = (
        "x-0149,2026-11-25 10:00:00,+4930111,0044222,2m29s,0.0100\n"
        "x-0256,2026-11-25 11:00:00,+4930112,0044223,56s,0.0233\n"
    )
    columns = (*COLUMNS, "cost")
    assert merged(tmp_path, text, *columns, zone="UTC", currency="EUR") == [
        ("25 10:00:00", Decimal(149), "+4930111", "0044222", Decimal("0.01")),
        ("25 11:00:00", Decimal(56), "+4930112", "0044223", Decimal("0.0233")),
    ]


def test_the_order_of_a_date_is_proven_by_an_epoch_in_an_id(tmp_path: Path) -> None:
    text = "uniqueid,start,src,dst,duration\n1762772400.5,10/11/2025 12:00:00,101,102,5\n"
    draft = drafted(tmp_path, text)
    assert asked(draft) == {"zone"}
    assert 'formats = ["%d/%m/%Y %H:%M:%S"]' in draft.text


@pytest.mark.parametrize(("answer", "day"), [("day", "11"), ("month", "10")])
def test_an_order_that_nothing_proves_is_asked(tmp_path: Path, answer: str, day: str) -> None:
    text = "start,src,dst,duration\n11/10/2025 12:00:00,101,102,5\n"
    assert asked(drafted(tmp_path, text)) == {"zone", "date_order"}
    assert merged(tmp_path, text, "started_at", zone="UTC", date_order=answer) == [(f"{day} 12:00:00",)]


def test_fixed_width_text_with_page_headers_and_swapped_numbers(tmp_path: Path) -> None:
    page = (
        "  Date     Time    Ext  Dial number     Ring Duration\n-----------------------------------------------------\n"
    )
    text = (
        f"{page}11/25/26  1:05PM   101  2125550102           00:01'30\n"
        f"11/25/26 12:10AM   102  <I>6465550103   0'07 00:00'41\n\n{page}"
        "11/25/26 10:15AM   103  <I>             0'12 00:00'00\n"
    )
    columns = (
        "started_at",
        "caller_id_number",
        "callee_id_number",
        "call_direction",
        "ringing_seconds",
        "billing_seconds",
    )
    assert merged(tmp_path, text, *columns, zone="UTC") == [
        ("25 13:05:00", "101", "2125550102", "outbound", None, Decimal(90)),
        ("25 00:10:00", "6465550103", "102", "inbound", Decimal(7), Decimal(41)),
        ("25 10:15:00", None, "103", "inbound", Decimal(12), Decimal(0)),
    ]


PBX = "start,{way},extension,number,duration\n" + "".join(
    f"2026-11-25T1{row}:00:00Z,{{{row}}},10{row},+4930222222,5\n" for row in range(2)
)
SIDES = ("caller_id_number", "callee_id_number", "call_direction")


def test_the_direction_tells_caller_from_callee_next_to_an_extension(tmp_path: Path) -> None:
    assert merged(tmp_path, PBX.format("In", "Out", way="direction"), *SIDES) == [
        ("+4930222222", "100", "inbound"),
        ("101", "+4930222222", "outbound"),
    ]


@pytest.mark.parametrize(
    ("answer", "first"), [("1", ("+4930222222", "100", "inbound")), ("none", ("100", "+4930222222", None))]
)
def test_codes_of_inbound_calls_are_asked(tmp_path: Path, answer: str, first: tuple[object, ...]) -> None:
    text = PBX.format("1", "2", way="type")
    assert asked(drafted(tmp_path, text)) == {"inbound"}
    assert merged(tmp_path, text, *SIDES, inbound=answer)[0] == first


def test_causes_of_both_sides_are_drafted_as_one(tmp_path: Path) -> None:
    text = "start,from,to,duration,origCause_value,destCause_value\n" + "".join(
        f"2026-11-25T10:00:0{row}Z,+4930111111,+4930222222,5,{codes}\n" for row, codes in enumerate(("0,16", "17,0"))
    )
    assert merged(tmp_path, text, "hangup_cause") == [("NORMAL_CLEARING",), ("USER_BUSY",)]


def test_nested_json_under_any_key_is_mapped_by_paths(tmp_path: Path) -> None:
    text = (
        '{"uri": "/log", "records": [{"callId": "r1", "startTime": "2026-11-25T10:00:00Z", "duration": 90, "from":'
        ' {"phoneNumber": "+4930111111"}, "to": {"phoneNumber": "+4930222222"}}, {"callId": "r2", "startTime":'
        ' "2026-11-25T10:05:00Z", "duration": 0, "from": {"phoneNumber": "+4930222222"},'
        ' "to": {"extensionNumber": "101"}}]}'
    )
    assert asked(drafted(tmp_path, text)) == set()
    assert merged(tmp_path, text) == [
        ("25 10:00:00", Decimal(90), "+4930111111", "+4930222222"),
        ("25 10:05:00", Decimal(0), "+4930222222", "101"),
    ]


def test_rows_that_begin_and_end_calls_are_recognised(tmp_path: Path) -> None:
    rows = [
        "INVITE|a|c-1@h|200|1795600000|1001|1002",
        "BYE|a|c-1@h|200|1795600090||",
        "INVITE|b|c-2@h|487|1795600100|1001|1003",
    ]
    assert merged(tmp_path, "\n".join(rows) + "\n", *COLUMNS, "hangup_cause") == [
        ("25 09:46:40", Decimal(90), "1001", "1002", "NORMAL_CLEARING"),
        ("25 09:48:20", Decimal(0), "1001", "1003", "ORIGINATOR_CANCEL"),
    ]


def test_words_are_translated_and_unknown_ones_are_ready_to_paste(tmp_path: Path) -> None:
    text = "start,from,to,duration,direction,status\n" + "".join(
        f"2026-11-25T10:00:0{number}Z,+4930111111,+4930222222,5,{way},{result}\n"
        for number, (way, result) in enumerate([("Incoming", "Missed"), ("Outgoing", "Answered"), ("Incoming", "Odd")])
    )
    draft = drafted(tmp_path, text)
    assert 'Incoming = "inbound"' in draft.text
    assert 'Missed = "NO ANSWER"' in draft.text
    assert '# Odd = ""  # 1 row;' in draft.text


def test_rows_of_other_types_are_set_aside(tmp_path: Path) -> None:
    text = "type,start,from,to,duration\n" + "".join(
        f"{kind},2026-11-25T10:00:0{number}Z,+4930111111,+4930222222,5\n"
        for number, kind in enumerate(("Voice", "SMS", "Data", "Voice"))
    )
    trial = drafted(tmp_path, text).trial
    assert trial is not None
    assert (trial.counts["merged"], trial.filtered) == (2, {"header": 1, "record_type": 2})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type,start,from,to\nSMS,2026-11-25T10:00:00Z,+4930111111,+4930222222\n", "its rows are SMS"),
        ("directoryNum,numberPacketsSent,jitter,latency\n101,20,3,4\n102,21,3,4\n", "call quality"),
        ('{"status": "error", "message": "no"}', "holds no calls"),
        ("<cdrs><cdr/></cdrs>", "XML"),
    ],
)
def test_files_without_calls_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UnreadableUpload, match=said):
        drafted(tmp_path, text)


def test_the_command_prints_rows_as_merged_and_takes_answers(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("start,from,to,duration\n2026-11-25 10:00:00,+4930111111,+4930222222,65\n")
    out = tmp_path / "mine.toml"
    printed = CliRunner().invoke(profiles_app, ["new", str(tmp_path / "f.csv"), "--out", str(out)])
    assert "--answers zone=Europe/Berlin" in printed.stderr
    assert "10:00:00" in printed.stderr
    answered = ["--answers", "zone=Europe/Berlin", "--answers", "carrier=bell"]
    assert (
        CliRunner().invoke(profiles_app, ["new", str(tmp_path / "f.csv"), "--out", str(out), *answered]).exit_code == 0
    )
    assert check_profile(out).constants == {"carrier": "bell"}
