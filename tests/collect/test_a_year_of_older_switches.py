"""A year of nights of switches before 4.3."""

import pytest
from years import OLDER, play_a_year

from cdr_pipeline.sources.kazoo.dialects import Dialect
from cdr_pipeline.steps.run_context import Workplace


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("dialect", OLDER, ids=str)
def test_a_year_of_nights_ends_in_the_exact_truth(at: Workplace, dialect: Dialect) -> None:
    play_a_year(at, dialect)
