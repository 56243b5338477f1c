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
from tests.support.interleavings import RETENTION, Outcome, Round
from tests.support.product_inputs import ACCOUNTS, DAYS

Play = Callable[..., Outcome]


class HalfRetained(Round):
    """A round of one run of retention, when the days of the first account are final and those of the other are not."""

    def _interleave(self, weights: dict[str, int], operations: int) -> None:  # noqa: ARG002 - there is one plan
        """Called before everything has come, and after."""
        if not self._everything_came():
            return
        first, second = (account.account_id for account in ACCOUNTS)
        self._all_acknowledged("half", [*self._seals(first), RETENTION, *self._seals(second)])

    def _seals(self, account_id: str) -> Iterator[tuple[str, ...]]:
        by = ("--override", "--by", "A. Controller", "--reason", "checked", "--account", account_id)
        return (("days", "seal", "--date", str(day), *by) for day in DAYS)


# Operations of a short round, and of each round of the test that runs for minutes.
_FEW = 30
_MANY = 70
_DEFAULT_MINUTES = 2.0


@pytest.fixture(scope="module")
def play(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Plays a round of a seed and prints its figures, and the log of its operations where something is wrong."""
    outputs = tmp_path_factory.mktemp("commands")

    def played(seed: int, *, operations: int, kills: bool = True, kind: type[Round] = Round) -> Outcome:
        folder = tmp_path_factory.mktemp(f"seed{seed}-")
        with copied_database(embedded_server, "model") as url:
            outcome = kind(seed, folder, runner, url, operations=operations, kills=kills).play()
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
@pytest.mark.fault("R701")
def test_the_month_of_an_account_that_retention_left_out_goes_later(play: Play) -> None:
    assert play(1, operations=0, kind=HalfRetained).differences == []


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
