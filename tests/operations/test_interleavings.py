"""Processes that work on one product at the same time, killed at random, leave what a serial run leaves."""

import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.databases import copied_database
from tests.support.forked_commands import CommandRunner
from tests.support.interleavings import Outcome, Round

Play = Callable[..., Outcome]
# Operations of a short round, and of each round of the test that runs for minutes.
_FEW = 30
_MANY = 70
_DEFAULT_MINUTES = 2.0


@pytest.fixture(scope="module")
def play(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Plays a round of a seed and prints its figures, and the log of its operations where something is wrong."""
    outputs = tmp_path_factory.mktemp("commands")

    def played(seed: int, *, operations: int, kills: bool = True) -> Outcome:
        folder = tmp_path_factory.mktemp(f"seed{seed}-")
        with copied_database(embedded_server, "model") as url:
            outcome = Round(seed, folder, runner, url, operations=operations, kills=kills).play()
        sys.stderr.write(f"\n{outcome}\n")
        if not outcome.differences:
            shutil.rmtree(folder)
        return outcome

    with CommandRunner(outputs) as runner:
        yield played


@pytest.mark.exhaustive
@pytest.mark.fault("R701")
@pytest.mark.parametrize("kills", [False, True], ids=["undisturbed", "killed"])
def test_interleaved_processes_leave_what_a_serial_run_leaves(
    play: Play, request: pytest.FixtureRequest, *, kills: bool
) -> None:
    seed = request.config.getoption("--interleave-seed") or 1
    assert play(seed, operations=_FEW, kills=kills).differences == []


@pytest.mark.exhaustive
@pytest.mark.timeout(0)
@pytest.mark.fault("R701")
def test_minutes_of_interleaved_processes_find_no_difference(play: Play, request: pytest.FixtureRequest) -> None:
    minutes = request.config.getoption("--interleave-minutes") or _DEFAULT_MINUTES
    first = request.config.getoption("--interleave-seed") or secrets.randbelow(10**6)
    end = time.monotonic() + 60 * minutes
    seed, found = first, list[str]()
    totals = {name: Counter[str]() for name in ("acknowledged", "repeated", "refused", "kills")}
    while seed == first or time.monotonic() < end:
        outcome = play(seed, operations=_MANY)
        found += [f"seed {seed}: {difference}" for difference in outcome.differences]
        for name, total in totals.items():
            total.update(getattr(outcome, name))
        seed += 1
    figures = {name: dict(sorted(total.items())) for name, total in totals.items()}
    sys.stderr.write(f"\nseeds {first} to {seed - 1}: {figures}\n")
    assert found == []
