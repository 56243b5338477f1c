"""A simulated switch over HTTP, asked again without waiting."""

from collections.abc import Iterator

import pytest
import stamina
from nights import playing

from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import Workplace


@pytest.fixture
def place(at: Workplace, switch: SimulatedSwitch) -> Iterator[Workplace]:
    """A workplace that collects, details included, from the test's own ``switch``."""
    with stamina.set_testing(testing=True, attempts=5, cap=True), run_switch(switch) as running:
        yield playing(at, switch, running.url, api_details=True)
