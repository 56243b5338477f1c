import pytest

from cdr_pipeline.sources.kazoo.alike import alike_rows


def test_rows_of_the_same_keys_are_counted_and_their_keys_named() -> None:
    assert alike_rows(b'[{"id":"a","cost":1},{"id":"b}{","cost":[2]}]'.replace(b"}{", b"")) == (2, {"id", "cost"})


def test_the_order_of_keys_does_not_matter() -> None:
    assert alike_rows(b'[{"id":"a","cost":1},{"cost":1,"id":"a"}]') == (2, {"id", "cost"})


@pytest.mark.parametrize(
    "listed",
    [
        b'[{"id":"a","id":"b"}]',
        b'[{"id":"a"},{"id":"a","id":"b"}]',
        b'[{"id":"a","\\u0069d":"b"}]',
        b'[{"id":"a"},{"id":"a","more":1}]',
        b'[{"id":"a","more":1},{"id":"a"}]',
        b'[{"id":{"a":1,"a":2}}]',
        b'[{"id":[{"a":1,"a":2}]}]',
        b'[{"ID":"a"}]',
        b'[{"id": "a"}]',
        b'[{"id":"a}"}]',
        b'[{"two words":"a"}]',
        b'[{"id":"a"},null]',
        b'[{"id":"a"}',
        b"[]",
        b"null",
        b"",
    ],
    ids=[
        "twice in the first row", "twice in another row", "twice by an escape", "a key more", "a key less",
        "an object within", "an object in a list", "capitals", "spaced", "a brace in a text", "no word", "no row",
        "cut", "none", "null", "nothing",
    ],
)  # fmt: skip
def test_anything_else_is_left_to_a_closer_look(listed: bytes) -> None:
    assert alike_rows(listed) is None
