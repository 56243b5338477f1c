"""Whatever the bytes, whatever the blocks: every line has a place, and always the same one."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.uploads.profile import Layout, Profile, Segments
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads import lines as lines_module
from cdr_pipeline.sources.uploads.lines import line_blocks, logical_lines
from cdr_pipeline.sources.uploads.parse import read_upload
from tests.support.examples import examples

if TYPE_CHECKING:
    from cdr_pipeline.sources.uploads.records import RawRecords

TWO = Layout(header=False, columns=(("a", "b"),))
NASTY = st.text(alphabet=st.sampled_from('a1,;"\n\r\t \x00\x1e\\é'), max_size=80)
LAYOUTS = st.builds(
    Layout,
    delimiter=st.sampled_from([",", ";", "\t", "|", "é"]),
    quoted=st.booleans(),
    header=st.booleans(),
    type_rows=st.integers(0, 2),
    columns=st.sampled_from([(("a", "b"),), (("a",), ("a", "b"), ("a", "b", "c"))]),
    nulls=st.sampled_from([(), ("NULL", "1")]),
    skip_space=st.booleans(),
    preamble=st.integers(0, 2),
    skip=st.sampled_from([(), ("^1",)]),
    footer=st.sampled_from([(), ("a$",)]),
)
FIXED = Layout(format="fixed", header=False, widths={"a": (1, 3), "b": (4, 2)})
JSON = Layout(format="json")
SEGMENTS = Segments(key=("a",), continued="b", more="1")


def profile(layout: Layout, segments: Segments = Segments()) -> Profile:  # noqa: B008 - frozen
    """A profile of columns a and b."""
    return Profile("p", "", layout=layout, fields={"started_at": ("a", "b", "c", "id")}, segments=segments)


def outcome(path: Path, spoken: Profile, block: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, int] | str:
    """Every line by what became of it, or why the file is refused."""
    try:
        parts: list[RawRecords] = list(read_upload(path, spoken, block=block))
    except UnreadableUpload as error:
        return error.message
    frame = pl.concat([part.frame for part in parts if not part.frame.is_empty()] or [pl.DataFrame()], how="diagonal")
    rejects = pl.concat([part.rejects for part in parts])
    aside = pl.concat([part.aside for part in parts]).sort("line")
    return frame.select(sorted(frame.columns)), rejects, aside, sum(part.read for part in parts)


@given(
    st.one_of(st.binary(max_size=120), NASTY.map(str.encode)),
    st.one_of(LAYOUTS, st.just(FIXED), st.just(JSON)),
    st.sampled_from([Segments(), SEGMENTS]),
    st.integers(1, 40),
)
@settings(max_examples=examples(400), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_shape_of_file_breaks_the_accounting_or_depends_on_blocks(
    tmp_path: Path, content: bytes, layout: Layout, segments: Segments, block: int
) -> None:
    (tmp_path / "f").write_bytes(content)
    spoken = profile(layout, segments if layout.format == "delimited" else Segments())
    whole = outcome(tmp_path / "f", spoken, 1_000_000)
    parts = outcome(tmp_path / "f", spoken, block)
    if isinstance(whole, str) or isinstance(parts, str):
        assert whole == parts
        return
    frame, rejects, aside, read = whole
    assert frame.height + rejects.height + aside.height == read
    placed = [*(frame["line"] if frame.height else []), *rejects["line"], *aside["line"]]
    assert len(set(placed)) == read
    assert all(one.equals(other) for one, other in zip(whole[:3], parts[:3], strict=True))
    assert parts[3] == read


@given(st.text(alphabet=st.sampled_from('a,"\n\r '), max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_lines_do_not_depend_on_where_the_text_is_cut(text: str, cut: int, block: int) -> None:
    pieces = [text[place : place + cut] for place in range(0, len(text), cut)]
    assert pl.concat(line_blocks(pieces, TWO, block=block)).equals(logical_lines(text, TWO))


def test_a_lost_quote_does_not_break_the_lines_that_follow() -> None:
    found = logical_lines('1,"lost\n2,"two\nlines"\n3,"and\nthree\nmore"\n', TWO)
    assert found.rows() == [(1, '1,"lost'), (2, '2,"two\nlines"'), (4, '3,"and\nthree\nmore"')]


@pytest.mark.fault("B05")
def test_a_quote_that_is_open_for_longer_than_a_field_may_be_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST_FIELD", 100)
    text = '1,"open\n' + "2,x\n" * 50 + '3,y"\n'
    assert logical_lines(text, TWO).height == 52
    assert logical_lines('1,"open\n' + "2,x\n" * 10 + '3,y"\n', TWO).height == 1


@pytest.mark.fault("B07")
def test_a_line_that_is_longer_than_any_record_is_refused_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST_LINE", 1000)
    for block in (10, 10_000):
        with pytest.raises(UnreadableUpload, match="line 2 has more than"):
            list(line_blocks(["a,b\n" + "x" * 2000, "\nc,d\n"], TWO, block=block))


@pytest.mark.fault("B04")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_numbered_as_an_editor_numbers_them(end: str) -> None:
    found = logical_lines(end.join(["a,b", '1,"two', 'lines"', "", "2,x"]), TWO)
    assert found["line"].to_list() == [1, 2, 4, 5]


@pytest.mark.fault("B04")
def test_a_lone_carriage_return_in_a_file_of_line_feeds_ends_no_line() -> None:
    assert logical_lines("a,b\r1,2\nc,d\n", TWO)["raw"].to_list() == ["a,b\r1,2", "c,d"]
