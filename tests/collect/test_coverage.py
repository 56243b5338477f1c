from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.time.coverage import covered_through

FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def _at(hours: int) -> datetime:
    return FIRST + timedelta(hours=hours)


def test_nothing_is_covered_without_windows() -> None:
    assert covered_through(FIRST, []) == FIRST


def test_a_gap_ends_coverage() -> None:
    assert covered_through(FIRST, [(_at(0), _at(4)), (_at(5), _at(9))]) == _at(4)


def test_overlapping_windows_in_any_order_cover_their_union() -> None:
    assert covered_through(FIRST, [(_at(3), _at(9)), (_at(-2), _at(4))]) == _at(9)


@given(st.lists(st.tuples(st.integers(-5, 30), st.integers(0, 10)), max_size=8))
def test_coverage_equals_walking_hour_by_hour(spans: list[tuple[int, int]]) -> None:
    windows = [(_at(start), _at(start + length)) for start, length in spans if length]
    hour = 0
    while any(start <= _at(hour) < end for start, end in windows):
        hour += 1
    assert covered_through(FIRST, windows) == _at(hour)
