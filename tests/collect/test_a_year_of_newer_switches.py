"""A year of nights of switches of 4.3 and later."""

import pytest

from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.steps.run_context import RunContext
from tests.support.years import OLDER, play_a_year


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("dialect", [dialect for dialect in SwitchDialect if dialect not in OLDER], ids=str)
def test_a_year_of_nights_ends_in_the_exact_truth(ctx: RunContext, dialect: SwitchDialect) -> None:
    play_a_year(ctx, dialect)
