"""Slices of extracts cover the period of the request once, in its order, however they are divided."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.records.search import Compare, InstantRange, Operator, Search
from cdr_pipeline.steps.records.extract_slices import ExtractSlices

_SECOND = timedelta(seconds=1)
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
# What happens to a slice: it is divided, or complete after some seconds with some share of its limits.
_EVENTS = st.lists(
    st.one_of(st.none(), st.tuples(st.sampled_from([0.1, 5.0, 50.0]), st.sampled_from([0.01, 0.9]))), max_size=40
)
_DAYS = date(2026, 1, 20), date(2026, 2, 10)


def parts_of(slices: ExtractSlices, events: Sequence[tuple[float, float] | None]) -> list[Search]:
    """The completed parts; after the events, every slice is fast."""
    parts: list[Search] = []
    remaining = list(events)
    while not slices.is_done:
        event = remaining.pop(0) if remaining else (0.1, 0.01)
        if event is None and not slices.is_shortest:
            slices.divide()
            continue
        parts.append(slices.current())
        slices.complete(*(event or (0.1, 0.01)))
    return parts


@given(begin=st.floats(0, 90 * 86_400), seconds=st.integers(0, 80 * 86_400), ascending=st.booleans(), events=_EVENTS)
def test_every_second_of_the_period_is_in_one_slice(
    begin: float, seconds: int, ascending: bool, events: list[tuple[float, float] | None]
) -> None:
    first = _BEGIN + timedelta(seconds=begin)
    last = (first + timedelta(seconds=seconds)).replace(microsecond=0)
    span = InstantRange("saved_at", min(first, last), last)
    slices = ExtractSlices(Search(("a",), span=span, ascending=ascending), _DAYS)
    total = slices.total
    spans = [part.span for part in parts_of(slices, events) if part.span is not None]
    if not ascending:
        spans.reverse()
    assert spans[0].first >= span.first
    assert spans[-1].last <= span.last
    # Only days without records are left out: before the first one, and a month after the last one.
    if span.first >= datetime(2026, 1, 18, tzinfo=UTC):
        assert spans[0].first == span.first or span.first > datetime(2026, 3, 15, tzinfo=UTC)
    if span.last < datetime(2026, 3, 15, tzinfo=UTC) and span.last >= datetime(2026, 1, 18, tzinfo=UTC):
        assert spans[-1].last == span.last
    for earlier, later in pairwise(spans):
        assert later.first == earlier.last + _SECOND
    assert slices.done == total


@given(ascending=st.booleans(), events=_EVENTS, day=st.dates())
def test_slices_of_a_business_date_have_no_outer_bounds(
    ascending: bool, events: list[tuple[float, float] | None], day: date
) -> None:
    condition = Compare(("business_date",), Operator.EQUALS, (day,))
    slices = ExtractSlices(Search(("a",), (condition,), ascending=ascending), _DAYS)
    bounds = [
        {part.operator: part.values[0] for part in search.conditions if isinstance(part, Compare)}
        for search in parts_of(slices, events)
    ]
    if not ascending:
        bounds.reverse()
    assert Operator.AT_LEAST not in bounds[0]
    assert Operator.AT_MOST not in bounds[-1]
    for earlier, later in pairwise(bounds):
        first, last = later[Operator.AT_LEAST], earlier[Operator.AT_MOST]
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        assert first - last == timedelta.resolution


def test_a_slice_that_does_not_get_faster_ends_after_few_attempts() -> None:
    span = InstantRange("saved_at", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC))
    slices = ExtractSlices(Search(("a",), span=span), _DAYS)
    attempts = 0
    while not slices.is_shortest:
        slices.divide()
        attempts += 1
    assert attempts <= 5
    assert slices.named == "the records of 2026-02-28"


@pytest.mark.parametrize("seconds", [5.0, 50.0])
def test_slices_grow_again_up_to_a_day_after_a_disturbance(seconds: float) -> None:
    span = InstantRange("saved_at", datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC))
    slices = ExtractSlices(Search(("a",), span=span, ascending=True), _DAYS)
    slices.divide()
    parts = parts_of(slices, [(seconds, 0.1)] * 200)
    assert len(parts) < 60
