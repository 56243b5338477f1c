"""JSON files: what is a record, what is none, and which line it stood in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.records.reasons import Filtered
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.sources.uploads.documents import json_records
from cdr_pipeline.sources.uploads.records import RawRecords

JSON = Layout(format="json")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "ID", "Id", "line", "raw", "source_line", "__kind", "__fault", "", "data", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def accounted(records: RawRecords) -> int:
    """Lines that ended in a class."""
    return records.frame.height + records.rejects.height + sum(records.filtered.values())


@given(VALUES)
def test_no_json_value_breaks_the_accounting(value: object) -> None:
    records = json_records(json.dumps(value), JSON)
    assert accounted(records) == records.read


@given(st.lists(st.sampled_from(['{"id": 1}', '{"id": 2', "5", "", " ", '{"x": "\u2028"}', "[1]"]), max_size=8))
def test_no_mixture_of_lines_breaks_the_accounting(lines: list[str]) -> None:
    records = json_records("\n".join(lines), JSON)
    assert accounted(records) == records.read


def test_a_broken_line_costs_no_other_line_and_physical_lines_count() -> None:
    records = json_records('\n{"id": 1}\n\n{"id": 2\n7\n{"id": 3}\n', JSON)
    assert records.frame.select("line", "raw", "id").rows() == [(2, '{"id": 1}', "1"), (6, '{"id": 3}', "3")]
    assert records.rejects.drop("business_date").rows() == [
        (4, "", "invalid_json", '{"id": 2', None),
        (5, "", "not_a_record", "7", None),
    ]
    assert (records.filtered, records.read) == ({Filtered.BLANK: 2}, 6)


def test_a_line_separator_inside_a_text_ends_no_line() -> None:
    records = json_records('{"id": "a\u2028b"}\n{"id": "c\x85d"}\n', JSON)
    assert records.frame["id"].to_list() == ["a\u2028b", "c\x85d"]


def test_a_damaged_document_on_many_lines_is_no_file_of_lines() -> None:
    records = json_records('[\n{"id": 1},\n{"id": 2}\n', JSON)
    assert records.rejects["reason"].to_list() == ["invalid_json"] * 3


def test_items_of_a_list_that_are_no_objects_are_rejected_alone() -> None:
    records = json_records('[{"id": 1}, 5, null, [1], {"id": 2}]', JSON)
    assert records.frame["line"].to_list() == [1, 5]
    assert records.rejects["reason"].to_list() == ["not_a_record"] * 3


def test_keys_are_lower_case_columns_and_none_is_lost() -> None:
    records = json_records('{"CallId": 1, "id": 2, "ID": 3, "line": 4, "raw": 5}', JSON)
    assert records.frame.drop("line", "raw").to_dicts() == [
        {"callid": "1", "id": "2", "source_id": "3", "source_line": "4", "source_raw": "5"}
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"7"', "7"),
        ("7", "7"),
        ("0.00000001", "0.00000001"),
        ("true", "true"),
        ('{"a": [1]}', '{"a":[1]}'),
        (r'{"a": "\\ \" \n", "b": 1.0}', r'{"a":"\\ \" \n","b":1.0}'),
        ("[]", "[]"),
        ("null", None),
        ('""', None),
    ],
)
def test_values_become_text(value: str, text: str | None) -> None:
    assert json_records(f'{{"id": 1, "value": {value}}}', JSON).frame["value"].to_list() == [text]


@pytest.mark.parametrize("text", ['{{"id": 1, "a": {0}}}\n{{"id": 2}}\n', '[{{"id": 1, "a": {0}}}, {{"id": 2}}]'])
def test_a_record_nested_too_deep_is_rejected_alone(text: str) -> None:
    records = json_records(text.format("[" * 900 + "]" * 900), JSON)
    assert records.rejects["reason"].to_list() == ["invalid_json"]
    assert records.frame["id"].to_list() == ["2"]


def test_objects_lists_and_plain_values_may_share_a_key() -> None:
    records = json_records('{"id": 1, "a": {"b": 1}}\n{"id": 2, "a": "text"}\n{"id": 3}\n{"id": 4, "a": [2]}\n', JSON)
    assert records.frame["a"].to_list() == ['{"b":1}', "text", None, "[2]"]


def test_a_profile_may_name_another_key_that_makes_a_record() -> None:
    text = '{"CallSid": "x"}'
    assert json_records(text, JSON).rejects["reason"].to_list() == ["not_a_record"]
    assert json_records(text, JSON, frozenset({"callsid"})).frame["callsid"].to_list() == ["x"]


@pytest.mark.parametrize("line", [r'{"id": "a\u0000b"}', r'{"id": "\\\u0000"}'])
def test_a_nul_rejects_its_record(line: str) -> None:
    assert json_records(line, JSON).rejects["reason"].to_list() == ["nul_character"]


def test_the_text_of_an_escape_is_no_nul() -> None:
    assert json_records(r'{"id": "\\u0000"}', JSON).frame["id"].to_list() == [r"\u0000"]


@pytest.mark.parametrize("text", ['{"id": NaN}', '{"id": "\\ud800"}', "[" * 5000, '{"id": 1}}'])
def test_what_strict_json_forbids_is_invalid(text: str) -> None:
    assert json_records(text, JSON).rejects["reason"].to_list() == ["invalid_json"]


@pytest.mark.parametrize("text", ['{"data": []}', "[]", '{"data": [], "status": "success"}'])
def test_a_list_without_records_is_a_file_without_records(text: str) -> None:
    records = json_records(text, JSON)
    assert records.read == accounted(records) == 0
