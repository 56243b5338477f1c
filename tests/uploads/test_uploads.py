import csv
import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.records.reasons import Filtered
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.errors import InvalidProfile, UnknownProfile, UnreadableUpload
from cdr_pipeline.sources.uploads import opening
from cdr_pipeline.sources.uploads.documents import json_records
from cdr_pipeline.sources.uploads.opening import read_text
from cdr_pipeline.sources.uploads.profiles import list_profiles, load_profile
from cdr_pipeline.sources.uploads.records import RawRecords, delimited_records
from cdr_pipeline.sources.uploads.waiting import waiting_files

THREE = Layout(header=False, columns=(("a", "b", "c"),))


def values(records: RawRecords) -> list[tuple[str | None, ...]]:
    """The source columns of every row."""
    return records.frame.drop("line", "raw").rows()


def accounted(records: RawRecords) -> int:
    """Lines that ended in a class."""
    return records.frame.height + records.rejects.height + sum(records.filtered.values())


# every line is accounted for


@given(st.text(alphabet=st.sampled_from('abc,;"\n\r\x00 \t'), max_size=60), st.sampled_from([THREE, Layout()]))
def test_no_text_breaks_the_accounting(text: str, layout: Layout) -> None:
    try:
        records = delimited_records(text, layout)
    except UnreadableUpload:
        return
    assert accounted(records) == records.read


@given(st.text(max_size=80))
def test_no_text_breaks_the_accounting_of_json(text: str) -> None:
    records = json_records(text, Layout(format="json"))
    assert accounted(records) == records.read


@given(
    st.lists(
        st.tuples(*[st.text(alphabet=st.sampled_from('ab, "\n;é1'), min_size=1, max_size=6)] * 3),
        min_size=1,
        max_size=8,
    )
)
def test_what_csv_writes_is_read_as_csv_reads_it(table: list[tuple[str, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(table)
    expected = [tuple(cell.strip() or None for cell in row) for row in table]
    assert values(delimited_records(text.getvalue(), THREE)) == expected


# lines, quotes, widths


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_understood(end: str) -> None:
    assert values(delimited_records(f"1,2,3{end}4,5,6{end}", THREE)) == [("1", "2", "3"), ("4", "5", "6")]


def test_a_line_end_inside_quotes_belongs_to_the_field() -> None:
    records = delimited_records('1,"two\nlines",3\nx\n4,5,6\n', THREE)
    assert values(records) == [("1", "two\nlines", "3"), ("4", "5", "6")]
    assert records.rejects.drop("business_date").rows() == [(3, "", "ragged_row", "x", None)]
    assert records.frame["line"].to_list() == [1, 4]


def test_a_quote_that_is_never_closed_costs_one_line() -> None:
    records = delimited_records('1,"open,3\n4,5,6\n7,8,9\n', THREE)
    assert values(records) == [("4", "5", "6"), ("7", "8", "9")]
    assert records.rejects["reason"].to_list() == ["broken_quote"]


def test_short_and_long_rows_are_rejected_never_padded_or_cut() -> None:
    records = delimited_records("1,2\n1,2,3\n1,2,3,4\n", THREE)
    assert values(records) == [("1", "2", "3")]
    assert records.rejects["line"].to_list() == [1, 3]


def test_a_field_quoted_in_part_is_kept_as_it_stands() -> None:
    assert values(delimited_records('"User 10" <114>,x,y\n', THREE)) == [('"User 10" <114>', "x", "y")]


def test_header_type_row_and_blank_lines_are_filtered_by_kind() -> None:
    records = delimited_records("A,B\nINTEGER,TEXT\n\n1,2\n\n", Layout(type_rows=1))
    assert records.filtered == {Filtered.BLANK: 2, Filtered.HEADER: 1, Filtered.TYPE_ROW: 1}
    assert records.read == 5


def test_a_header_that_names_a_column_twice_is_refused() -> None:
    with pytest.raises(UnreadableUpload, match="twice: columns 1, 2"):
        delimited_records("a,A\n1,2\n", Layout())


def test_literal_nulls_mean_nothing() -> None:
    assert values(delimited_records("a,b\nNULL,x\n", Layout(nulls=("NULL",)))) == [(None, "x")]


def test_a_row_with_a_nul_is_rejected_alone() -> None:
    records = delimited_records("1,2,\x00\n4,5,6\n", THREE)
    assert records.rejects["reason"].to_list() == ["nul_character"]
    assert records.frame.height == 1


# JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"call_id": "x"}',
        '[{"call_id": "x"}]',
        '{"data": [{"call_id": "x"}], "status": "success"}',
        '{"call_id": "x"}\n',
    ],
)
def test_a_document_a_list_an_envelope_and_lines_are_read_alike(text: str) -> None:
    assert json_records(text, Layout(format="json")).frame["call_id"].to_list() == ["x"]


def test_an_error_envelope_is_rejected_line_by_line() -> None:
    records = json_records('{\n"error": "401",\n"data": {}\n}\n', Layout(format="json"))
    assert records.rejects["reason"].to_list() == ["not_a_record"] * 4


def test_text_that_is_no_json_is_rejected_line_by_line() -> None:
    records = json_records("{\n'call_id'\n\n", Layout(format="json"))
    assert records.rejects["reason"].to_list() == ["invalid_json"] * 2
    assert records.filtered == {Filtered.BLANK: 1}


# opening


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: gzip.compress(text.encode()),
    ],
    ids=["utf-8", "with mark", "utf-16-le", "utf-16-be", "gzip"],
)
def test_encodings_with_a_mark_and_gzip_are_understood(tmp_path: Path, encode: Callable[[str], bytes]) -> None:
    (tmp_path / "f").write_bytes(encode("Zoë,1\n"))
    assert read_text(tmp_path / "f", "utf-8") == "Zoë,1\n"


def test_another_encoding_is_refused_with_the_place_and_without_the_text(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes("CANARY Zoë".encode("cp1252"))
    with pytest.raises(UnreadableUpload, match="at byte 9") as raised:
        read_text(tmp_path / "f", "utf-8")
    assert "CANARY" not in str(raised.value)
    assert read_text(tmp_path / "f", "cp1252") == "CANARY Zoë"


@pytest.mark.fault("B10")
def test_links_pipes_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "absent"):
        with pytest.raises(UnreadableUpload):
            read_text(tmp_path / name, "utf-8")


@pytest.mark.fault("B08")
def test_a_file_that_unpacks_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_BYTES", 1_000_000)
    (tmp_path / "f").write_bytes(gzip.compress(b" " * 20_000_000))
    with pytest.raises(UnreadableUpload, match="more than"):
        read_text(tmp_path / "f", "utf-8")


def test_a_cut_gzip_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(gzip.compress(os.urandom(5000))[:-100])
    with pytest.raises(UnreadableUpload, match="damaged"):
        read_text(tmp_path / "f", "utf-8")


# the drop folder


def test_only_finished_regular_files_wait(tmp_path: Path) -> None:
    folder = tmp_path / "acct" / "generic"
    folder.mkdir(parents=True)
    for name in ("a.csv", ".hidden", "b.csv.part", "c.tmp"):
        (folder / name).write_text("x")
    (folder / "link.csv").symlink_to(folder / "a.csv")
    (tmp_path / "stray.csv").write_text("x")
    assert [(file.path.name, file.account_id, file.profile) for file in waiting_files(tmp_path)] == [
        ("a.csv", "acct", "generic")
    ]


# profiles


def test_every_built_in_profile_reads() -> None:
    assert {"asterisk", "cucm", "freepbx", "freeswitch", "generic", "kazoo_csv"} <= list_profiles().keys()


def test_an_unknown_profile_suggests_a_close_one() -> None:
    with pytest.raises(UnknownProfile, match="did you mean 'asterisk'"):
        load_profile("astersik")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[layout", "not TOML"),
        ("colour = 1", "unknown key colour"),
        ("[fields]\nstartd_at = 'x'", "did you mean 'started_at'"),
        ("[layout]\nheader = false\n[fields]\nstarted_at = 'start'", "must name the columns"),
        ("[layout]\ndelimiter = ';;'\n[fields]\nstarted_at = 'start'", "one character"),
    ],
)
def test_a_faulty_profile_names_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InvalidProfile, match=said):
        load_profile("mine", tmp_path)


def test_the_operators_own_profile_wins(tmp_path: Path) -> None:
    (tmp_path / "generic.toml").write_text("description = 'mine'\n[fields]\nstarted_at = 'start'")
    assert load_profile("generic", tmp_path).description == "mine"
