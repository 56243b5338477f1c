"""What counts as a page, and what becomes of rows that are odd."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.errors import TransientUpstreamError
from cdr_pipeline.sources.kazoo.pages import cut_page, parse_detail, parse_page, without_token

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
ROW = st.dictionaries(
    st.sampled_from(["id", "call_id", "timestamp", "caller_id_name", "media_recordings"]),
    TEXT | st.integers(-(2**53), 2**53) | st.lists(TEXT, max_size=2) | st.none() | st.booleans(),
    min_size=1,
)


def envelope(rows: list[dict[str, Any]], **more: Any) -> bytes:
    return orjson.dumps({"data": rows, "status": "success"} | more)


def rows_in(ndjson: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in ndjson.split(b"\n")] if ndjson else []


@given(st.lists(ROW, max_size=5), st.sampled_from([None, 2]), st.booleans())
def test_rows_come_out_as_they_went_in_however_they_are_spaced(
    rows: list[dict[str, Any]], indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps({"data": rows, "status": "success"}, indent=indent, ensure_ascii=ascii_only).encode()
    page = parse_page(body)
    assert page.plain
    assert rows_in(page.ndjson) == rows_in(cut_page(body)) == rows
    assert page.rows == len(rows)
    assert page.keys == {key for row in rows for key in row}


@pytest.mark.fault("A14")
@given(st.lists(ROW, min_size=1, max_size=4), st.data())
def test_a_body_that_ends_anywhere_before_its_end_is_no_page(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    body = envelope(rows)
    end = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(TransientUpstreamError):
        parse_page(body[:end])


@pytest.mark.fault("A19")
@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"id":"a","id":"b"}],"status":"success"}',
        b'{"data":[{"id":"a","id" :"b"}],"status":"success"}',
        b'{"data":[{"id":"a"},{"x":1,"y":{"z":1,"z":2}}],"status":"success"}',
        b'{"data":[{"id":NaN}],"status":"success"}',
        b'{"data":[{"id":Infinity}],"status":"success"}',
        b'{"data":[{"id":1e999}],"status":"success"} x',
        b'{"data":[{"id":01}],"status":"success"}',
    ],
)
def test_the_same_key_twice_and_numbers_that_are_none_are_no_page(body: bytes) -> None:
    with pytest.raises(TransientUpstreamError):
        parse_page(body)


@pytest.mark.fault("A14")
@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"id":"a"}],"status":"error"}',
        b'{"data":[{"id":"a"}]}',
        b'{"data":[["a"]],"status":"success"}',
        b'{"data":{"id":"a"},"status":"success"}',
        b'{"data":null,"status":"success"}',
        b'[{"id":"a"}]',
        b"<html>",
        b"",
    ],
)
def test_what_has_no_rows_or_no_trailer_is_no_page(body: bytes) -> None:
    with pytest.raises(TransientUpstreamError):
        parse_page(body)


@pytest.mark.fault("A17")
@pytest.mark.parametrize(
    "body",
    [
        b'{"data":' + b"[" * 20_000 + b"]" * 20_000 + b',"status":"success"}',
        b'{"data":[' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b'],"status":"success"}',
    ],
    ids=["lists", "objects"],
)
def test_what_is_nested_without_end_is_no_page(body: bytes) -> None:
    with pytest.raises(TransientUpstreamError):
        parse_page(body)


@pytest.mark.fault("A18")
@pytest.mark.parametrize("bad", [b"\\ud83d", b"\xff\xfe", b"\\udc00\\ud800"])
def test_text_that_is_no_unicode_marks_its_row_only(bad: bytes) -> None:
    page = parse_page(b'{"data":[{"id":"a"},{"id":"b","caller_id_name":"x' + bad + b'"}],"status":"success"}')
    first, second = rows_in(page.ndjson)
    assert first == {"id": "a"}
    assert second["id"] == "b"
    assert second["__invalid_text"] == "true"
    assert not page.plain


def test_a_pair_of_surrogates_is_good_text() -> None:
    page = parse_page(b'{"data":[{"id":"\\ud83c\\udf19"}],"status":"success"}')
    assert rows_in(page.ndjson) == [{"id": "🌙"}]
    assert page.plain


def test_keys_in_capitals_are_folded_everywhere() -> None:
    page = parse_page(b'{"DATA":[{"ID":"a","Call_ID":"c"}],"STATUS":"success","NEXT_START_KEY":"k"}')
    assert rows_in(page.ndjson) == [{"id": "a", "call_id": "c"}]
    assert (page.keys, page.next_start_key, page.plain) == ({"id", "call_id"}, "k", False)
    document = parse_detail(b'{"DATA":{"ID":"a","CUSTOM_CHANNEL_VARS":{"Owner_ID":"o"}},"STATUS":"success"}')
    assert orjson.loads(document) == {"id": "a", "custom_channel_vars": {"owner_id": "o"}}


def test_folding_overwrites_nothing() -> None:
    page = parse_page(b'{"data":[{"id":"a","ID":"b"}],"status":"success"}')
    assert rows_in(page.ndjson) == [{"id": "a", "ID": "b"}]


@pytest.mark.fault("A22")
@pytest.mark.parametrize(("said", "size"), [(b'"50"', 50), (b"50", 50), (b'"x"', None), (b"null", None)])
def test_the_page_size_comes_as_text_or_number(said: bytes, size: int | None) -> None:
    assert parse_page(b'{"data":[],"status":"success","page_size":' + said + b"}").page_size == size


def test_what_is_left_of_the_servers_bucket_is_read() -> None:
    assert parse_page(envelope([], tokens={"consumed": 1, "remaining": 7})).tokens_left == 7


@pytest.mark.fault("A34")
@pytest.mark.parametrize("name", ["auth_token", "AUTH_TOKEN"])
def test_the_echoed_token_goes_by_name_and_by_value(name: str) -> None:
    body = b'{"data":[{"id":"CANARY_TOK_012345"}],"' + name.encode() + b'" : "oth\\"er","status":"success"}'
    cut = without_token(body, "CANARY_TOK_012345")
    assert b"CANARY" not in cut
    assert orjson.loads(cut) == {"data": [{"id": ""}], name: "", "status": "success"}


def test_a_token_as_short_as_a_word_does_not_cut_words() -> None:
    assert without_token(b'{"data":[],"status":"success"}', "t") == b'{"data":[],"status":"success"}'
