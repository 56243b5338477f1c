"""XML files: records are read as a stream, damage and attacks are refused."""

from pathlib import Path

import pytest

from cdr_pipeline.core.fields.schemas import LINE
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.xml_documents import xml_blocks
from tests.support.uploads import EXAMPLES

LAYOUT = Layout(format="xml", records="calls.call")
KEYS = frozenset({"id", "leg.number"})
TEXT = (
    '<?xml version="1.0"?><calls><header/><call id="1"><leg><number>+49 &amp; 1</number></leg></call>\n'
    '<call id="2"><leg><number>2</number></leg><leg><number>3</number></leg></call></calls>'
)


def rows(pieces: list[str], *, block: int = 1_000) -> list[tuple[object, ...]]:
    """Line and columns of the records."""
    return [
        row
        for records in xml_blocks(pieces, LAYOUT, KEYS | {"leg.0.number"}, block=block)
        if records.frame.height
        for row in records.frame.select(LINE, "id", "leg.number", "leg.0.number").rows()
    ]


def test_attributes_and_elements_are_columns_and_repetitions_are_lists() -> None:
    assert rows([TEXT]) == [(1, "1", "+49 & 1", None), (2, "2", None, "2")]


def test_records_do_not_depend_on_where_the_text_is_split() -> None:
    assert rows(list(TEXT), block=1) == rows([TEXT])


def test_documents_that_follow_each_other_are_one_file() -> None:
    assert [line for line, *_ in rows([TEXT, "\n", TEXT])] == [1, 2, 3, 4]


def test_an_export_without_calls_has_no_records() -> None:
    assert rows(["<calls></calls>"]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT[:-20], "is not XML at line 2"),
        ("<others><call/></others>", "has no element calls.call"),
        ('<!DOCTYPE a [<!ENTITY b "bb">]><calls><call id="&b;"/></calls>', "document type definition"),
        ("<calls>" + "<a>" * 100 + "</a>" * 100 + "</calls>", "nested more than 64 deep"),
        ("<calls><call><a>" + "x" * (5 * 1024**2) + "</a></call></calls>", "a record has more than 4 MiB"),
    ],
)
def test_damaged_and_hostile_xml_is_refused(text: str, message: str) -> None:
    with pytest.raises(UnreadableUpload, match=message):
        rows([text])


@pytest.mark.parametrize("name", ["freeswitch_xml", "broadworks_xml"])
def test_a_draft_of_xml_finds_records_times_and_numbers(name: str) -> None:
    path = EXAMPLES / f"{name}.xml"
    draft = draft_profile(path, answers={"zone": "UTC"})
    assert draft.trial is not None
    profile = load_profile(name)
    expected = [records.frame.height for records in read_upload(path, profile)]
    assert draft.trial.counts["rejected"] == 0
    assert len(draft.trial.rows) >= sum(expected)
    assert {row["caller_id_number"] for row in draft.trial.rows} >= {"+12125550100" if "broad" in name else "200"}


def test_a_path_is_no_file_of_another_system(tmp_path: Path) -> None:
    (tmp_path / "f.xml").write_text(TEXT)
    with pytest.raises(UnreadableUpload, match="has no element cdr"):
        list(read_upload(tmp_path / "f.xml", load_profile("freeswitch_xml")))
