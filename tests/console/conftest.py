"""A console over a small tree of accounts."""

from collections.abc import Iterator

import pytest

from cdr_pipeline.steps.run_context import RunContext
from tests.support.console import ServedConsole, serving_console


@pytest.fixture
def console(ctx: RunContext) -> Iterator[ServedConsole]:
    """The console, served."""
    with serving_console(ctx) as served:
        yield served
