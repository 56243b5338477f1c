"""A year of nights of every dialect, and the nights of that year that are not like the others."""

import pytest

from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.steps.run_context import RunContext
from tests.support.years import EVENTFUL_DAYS, WHOLE_YEAR, play_nights


# The oldest and the newest of the Kazoo family; the whole year below has all dialects.
@pytest.mark.slow
@pytest.mark.parametrize(
    "dialect", [SwitchDialect.SEED_V1, pytest.param(SwitchDialect.V2_K43, marks=pytest.mark.exhaustive)], ids=str
)
def test_nights_around_every_edge_of_a_year_end_in_the_exact_truth(ctx: RunContext, dialect: SwitchDialect) -> None:
    play_nights(ctx, dialect, EVENTFUL_DAYS)


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
def test_a_year_of_nights_ends_in_the_exact_truth(ctx: RunContext, dialect: SwitchDialect) -> None:
    play_nights(ctx, dialect, WHOLE_YEAR)
