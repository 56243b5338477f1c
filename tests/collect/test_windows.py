from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.sources.kazoo.dialects import MAX_RANGE_SECONDS, SwitchDialect
from cdr_pipeline.sources.kazoo.windows import created_range, crosses_month, is_shrunk, lighter_windows, plan_windows
from cdr_pipeline.sources.upstream import Window

MOMENT = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC, microsecond=0)
)
SPAN = st.tuples(MOMENT, st.integers(1, 200 * 86_400)).map(lambda pair: (pair[0], pair[0] + timedelta(seconds=pair[1])))


@given(SPAN, st.sampled_from(SwitchDialect))
def test_windows_inside_a_month_tile_the_span(span: tuple[datetime, datetime], dialect: SwitchDialect) -> None:
    tiles = [window for window in plan_windows(*span, dialect) if not crosses_month(window)]
    assert tiles[0].starts_at == span[0]
    assert tiles[-1].ends_at == span[1]
    assert all(one.ends_at == other.starts_at for one, other in pairwise(tiles))


@pytest.mark.fault("A09")
@given(SPAN, st.sampled_from(SwitchDialect))
def test_no_window_is_longer_than_the_server_allows(span: tuple[datetime, datetime], dialect: SwitchDialect) -> None:
    for window in plan_windows(*span, dialect):
        first, last = created_range(window)
        assert 0 <= last - first <= MAX_RANGE_SECONDS


@given(SPAN, st.sampled_from(SwitchDialect))
def test_every_months_edge_in_the_span_is_inside_a_whole_window(
    span: tuple[datetime, datetime], dialect: SwitchDialect
) -> None:
    windows = plan_windows(*span, dialect)
    edge = span[0].replace(day=1, hour=0, minute=0, second=0)
    while edge < span[1]:
        if edge >= span[0]:
            assert any(crosses_month(window) and window.starts_at < edge < window.ends_at for window in windows)
        edge = (edge + timedelta(days=32)).replace(day=1)


@given(st.integers(1, 31 * 86_400))
def test_a_window_that_is_too_heavy_is_halved_down_to_a_second(seconds: int) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    lighter = lighter_windows(Window(start, start + timedelta(seconds=seconds))).parts
    if seconds == 1:
        assert lighter == ()
    else:
        assert lighter[0].starts_at == start
        assert lighter[0].ends_at == lighter[1].starts_at
        assert lighter[1].ends_at == start + timedelta(seconds=seconds)


def test_a_window_over_a_months_edge_shrinks_around_the_edge() -> None:
    edge = datetime(2026, 6, 1, tzinfo=UTC)
    window: Window | None = Window(edge - timedelta(hours=1), edge + timedelta(days=1))
    widths: list[float] = []
    while window:
        assert window.starts_at < edge < window.ends_at
        assert is_shrunk(window) == bool(widths)
        widths.append((window.ends_at - edge).total_seconds())
        window = next(iter(lighter_windows(window).parts), None)
    assert widths == [86_400, 21_600, 5_400, 1_350, 337, 84, 21, 5, 1]


@pytest.mark.fault("A26")
def test_neighbouring_windows_share_no_second() -> None:
    first, second, _ = plan_windows(
        datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC), SwitchDialect.V2_K3
    )
    assert created_range(second)[0] == created_range(first)[1] + 1


@pytest.mark.parametrize("dialect", SwitchDialect)
def test_a_span_ends_before_its_last_second(dialect: SwitchDialect) -> None:
    (window,) = (
        window
        for window in plan_windows(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC), dialect)
        if not crosses_month(window)
    )
    first, last = created_range(window)
    assert last - first == 86_399
