"""Rows of a list as JSON, compared with a JSON library."""

import json

from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.warehouse.records.list_columns import listed_names
from cdr_pipeline.warehouse.records.list_json import json_rows

NAMES = ("id", "duration_seconds", "caller_id_name", "media_recordings")
# Texts that could end a text of an array too early, besides any other.
TEXTS = st.one_of(st.text(alphabet='",\\[]\n\x01\x7fé☎', max_size=8), st.text(st.characters(codec="utf-8")))


def _array(values: list[str]) -> str:
    """A JSON array of texts as PostgreSQL writes it."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


@given(st.lists(st.tuples(TEXTS, st.sampled_from(["", "0", "12", "0.125"]), TEXTS), max_size=3))
def test_rows_have_the_texts_of_their_columns(records: list[tuple[str, str, str]]) -> None:
    rows = json_rows([_array([one, seconds, name, '["a", "b"]']) for one, seconds, name in records], NAMES)
    for row, (one, seconds, name) in zip(rows, records, strict=True):
        assert json.loads(row) == {
            "id": one,
            "duration_seconds": json.loads(seconds) if seconds else "",
            "caller_id_name": name,
            "media_recordings": ["a", "b"],
        }


def test_a_row_has_its_columns_in_order_and_without_blanks() -> None:
    (row,) = json_rows([_array(["1", "NaN", 'a "b", ', "[]"])], NAMES)
    assert row == '{"id":"1","duration_seconds":"NaN","caller_id_name":"a \\"b\\", ","media_recordings":[]}'


def test_texts_of_recordings_that_are_no_list_stay_texts() -> None:
    (row,) = json_rows([_array(['"a\\"b"'])], ("media_recordings",))
    assert row == '{"media_recordings":"a\\"b"}'


def test_every_column_of_a_list_has_its_place() -> None:
    names = listed_names(interactions=True)
    (row,) = json_rows([_array(["7" if name != "media_recordings" else "[]" for name in names])], names)
    assert tuple(json.loads(row)) == names
