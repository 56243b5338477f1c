"""Delimited text whose quotes, line ends and headers are not what they should be: nothing disappears."""

import csv
import io
from itertools import starmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.records.reasons import Filtered
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.records import RawRecords, delimited_records

TWO = Layout(header=False, columns=(("a", "b"),))
THREE = Layout(header=False, columns=(("a", "b", "c"),))
LAYOUTS = [
    THREE,
    Layout(),
    Layout(type_rows=1),
    Layout(header=False, columns=(("a",), ("a", "b"), ("a", "b", "c"))),
    Layout(header=False, columns=(("a", "b"),), quoted=False, delimiter=";"),
    Layout(header=False, columns=(("a", "b"),), skip_space=True, nulls=("NULL",)),
]


def values(records: RawRecords) -> list[tuple[str | None, ...]]:
    """The source columns of every row."""
    return records.frame.drop("line", "raw").rows()


def accounted(records: RawRecords) -> int:
    """Lines that ended in a class."""
    return records.frame.height + records.rejects.height + sum(records.filtered.values())


# accounting, whatever the text


@given(
    st.one_of(st.text(max_size=80), st.text(alphabet=st.sampled_from('ab1,;"\n\r\x00 \té\u2028'), max_size=80)),
    st.sampled_from(LAYOUTS),
)
def test_no_text_breaks_the_accounting_in_any_layout(text: str, layout: Layout) -> None:
    try:
        records = delimited_records(text, layout)
    except UnreadableUpload:
        return
    assert accounted(records) == records.read


@given(st.binary(max_size=200), st.sampled_from(["utf-8", "utf-16-le", "cp1252", "latin-1"]))
def test_no_bytes_that_decode_break_the_accounting(content: bytes, encoding: str) -> None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return
    records = delimited_records(text, THREE)
    assert accounted(records) == records.read


@given(st.text(alphabet=st.sampled_from('ab,"\n'), max_size=60))
def test_every_line_of_the_text_is_in_a_row_or_a_reject(text: str) -> None:
    records = delimited_records(text, THREE)
    kept = [line for raw in [*records.frame["raw"], *records.rejects["raw"]] for line in raw.split("\n")]
    wanted = [line for line in text.split("\n") if line.strip()]
    assert sorted(line for line in kept if line.strip()) == sorted(wanted)


# what csv writes

CELLS = st.lists(st.sampled_from(["a", "é", "1", ",", ";", '"', " ", "\n", "\r\n"]), max_size=6).map("".join)


@pytest.mark.slow
@given(
    st.lists(
        st.lists(CELLS, min_size=2, max_size=2),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([",", ";", "\t", "|", "§"]),
)
def test_what_csv_writes_is_read_as_csv_reads_it(table: list[list[str]], quoting: int, end: str, mark: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=end, delimiter=mark).writerows(  # type: ignore[arg-type]
        [["x", *row] for row in table]
    )
    read = list(csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=mark))
    expected = [tuple(cell.strip() or None for cell in row) for row in read]
    layout = Layout(header=False, columns=(("a", "b", "c"),), delimiter=mark)
    assert values(delimited_records(text.getvalue(), layout)) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_inside_a_quoted_field_are_kept_as_they_came(end: str) -> None:
    text = f'1,"two{end}lines",3{end}'
    records = delimited_records(text, THREE)
    assert values(records) == [("1", f"two{end}lines", "3")]
    assert records.frame["raw"].to_list() == [text.removesuffix(end)]


# quotes that are lost


def test_two_lost_quotes_do_not_swallow_the_records_between_them() -> None:
    records = delimited_records('1,"open,3\n4,5,6\n7,8,9\n7,"x,9\n1,2,3\n', THREE)
    assert values(records) == [("4", "5", "6"), ("7", "8", "9"), ("1", "2", "3")]
    assert records.rejects.drop("business_date").rows() == [
        (1, "", "broken_quote", '1,"open,3', None),
        (4, "", "broken_quote", '7,"x,9', None),
    ]


def test_inches_in_two_lines_do_not_make_one_record_of_them() -> None:
    records = delimited_records('1,5" pipe\n2,6" pipe\n', TWO)
    assert records.frame.is_empty()
    assert records.rejects["line"].to_list() == [1, 2]


def test_a_quoted_field_of_many_lines_may_follow_a_partly_quoted_one() -> None:
    records = delimited_records('"User 10" <114>,"two\nlines",x\n', THREE)
    assert values(records) == [('"User 10" <114>', "two\nlines", "x")]


def test_a_ragged_record_of_many_lines_is_one_reject() -> None:
    records = delimited_records('1,"2,3,4\n5,6,7"\n', THREE)
    assert records.frame.is_empty()
    assert records.rejects["reason"].to_list() == ["ragged_row"]


def test_all_after_a_quote_that_is_never_closed_are_read_on_their_own() -> None:
    many = "".join(f"{number},x,y\n" for number in range(1000))
    records = delimited_records('1,"two\nlines",3\n1,"open,3\n' + many, THREE)
    assert records.frame.height == 1001
    assert records.rejects["line"].to_list() == [3]


# layouts


@pytest.mark.parametrize("mark", [",", ";", "|", "\t", ":", "^", "]", "-", "\\", ".", "\x1f", "a", "§"])
def test_any_character_may_be_the_delimiter(mark: str) -> None:
    layout = Layout(header=False, columns=(("a", "b", "c"),), delimiter=mark)
    assert values(delimited_records(f'1{mark}"2{mark}"{mark}\n', layout)) == [("1", f"2{mark}".strip(" \t"), None)]


def test_without_quoting_a_quote_is_a_character() -> None:
    layout = Layout(header=False, columns=(("a", "b"),), quoted=False)
    assert values(delimited_records('5" pipe,"x"\n6",y\n', layout)) == [('5" pipe', '"x"'), ('6"', "y")]


def test_spaces_before_a_quote_belong_to_nobody_when_the_layout_says_so() -> None:
    layout = Layout(header=False, columns=(("a", "b"),), skip_space=True)
    assert values(delimited_records('"one", "two, three"\n', layout)) == [("one", "two, three")]


def test_rows_of_several_widths_get_the_columns_of_their_width() -> None:
    layout = Layout(header=False, columns=(("a", "b"), ("a", "b", "c")))
    records = delimited_records("1,2\n1,2,3\n1\n", layout)
    assert values(records) == [("1", "2", None), ("1", "2", "3")]
    assert records.rejects["reason"].to_list() == ["ragged_row"]


def test_columns_called_as_ours_are_renamed_and_keep_their_values() -> None:
    records = delimited_records("Line,RAW,x\n5,text,1\n", Layout())
    assert records.frame.rows() == [(2, "5,text,1", "5", "text", "1")]
    assert records.frame.columns == ["line", "raw", "source_line", "source_raw", "x"]


# headers and other lines that are no records


def test_a_line_that_states_no_types_is_a_record() -> None:
    records = delimited_records("a,b\n1,x\n2,y\n", Layout(type_rows=1))
    assert values(records) == [("1", "x"), ("2", "y")]
    assert records.filtered[Filtered.TYPE_ROW] == 0


def test_types_may_be_quoted_and_have_sizes() -> None:
    records = delimited_records('a,b,c\nINTEGER,VARCHAR(50),"DECIMAL(10,2)"\n1,2,3\n', Layout(type_rows=1))
    assert records.filtered[Filtered.TYPE_ROW] == 1
    assert values(records) == [("1", "2", "3")]


@pytest.mark.parametrize(
    "text", ['a,"b,c\n1,2,3\n', '"a\nb",c\n1,2\n', 'a,b\r1,"x\ny"\r2,z\r'], ids=["quote", "lines", "mixed line ends"]
)
def test_a_header_that_is_not_one_line_of_names_is_refused(text: str) -> None:
    with pytest.raises(UnreadableUpload, match="not one line of names"):
        delimited_records(text, Layout())


def test_a_header_that_is_really_a_record_is_not_repeated_in_the_error() -> None:
    with pytest.raises(UnreadableUpload, match="columns 1, 2") as raised:
        delimited_records("+15550100,+15550100\n", Layout())
    assert "5550100" not in str(raised.value)


def test_names_made_up_for_nameless_columns_do_not_collide_unseen() -> None:
    with pytest.raises(UnreadableUpload, match="columns 1, 2"):
        delimited_records("column_2,\n1,2\n", Layout())


def test_empty_text_has_no_lines_and_one_line_end_is_one_blank_line() -> None:
    counted = [(records.read, records.filtered[Filtered.BLANK]) for records in starmap(delimited_records, EMPTY)]
    assert counted == [(0, 0), (1, 1), (1, 1), (1, 1), (2, 2)]


EMPTY = [("", THREE), ("\n", THREE), ("\r\n", THREE), ("\r", THREE), ("\n \n", THREE)]


@pytest.mark.parametrize("text", ["a,b", "a,b\n", "a,b\r\n\r\n"])
def test_a_header_alone_is_a_file_without_records(text: str) -> None:
    records = delimited_records(text, Layout(type_rows=1))
    assert records.frame.is_empty()
    assert records.frame.columns == ["line", "raw", "a", "b"]
    assert accounted(records) == records.read
