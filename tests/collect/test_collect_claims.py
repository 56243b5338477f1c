"""A35, A36, G04: who collects a day, what a killed collector leaves, and what one that wakes up may still do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cdr_pipeline.errors import ClaimLost
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import LandedWindow, Ledger
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.forked_commands import CommandRunner
from tests.support.nights import DAY, night, playing, records_of, require_sound, truth_of, warehouse

PROGRAM = Path(__file__).parents[1] / "support" / "crashing_night.py"
POINTS = (
    "after_claim", "after_first_page", "before_landed", "after_landed", "before_release", "after_stage",
    "before_commit", "after_commit",
)  # fmt: skip


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=40, accounts=1)


def arguments(place: RunContext, point: str) -> list[str]:
    """What the program needs that collects and loads the day at the same place."""
    url, token = place.settings.api_url, place.settings.api_token
    assert url
    assert token
    return [place.url, str(place.settings.data_dir), url, token.get_secret_value(), point]


def _wait_for_its_session(place: RunContext) -> None:
    """A claim ends with the session of its process, which a busy server notices a moment later."""
    deadline = time.monotonic() + 30
    held = (
        "SELECT pid FROM collections INNER JOIN pg_stat_activity ON pid = holder_pid AND backend_start = holder_started"
    )
    while warehouse(place, held):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.fault("A36")
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_the_next_run_converges(
    ctx: RunContext, switch: SimulatedSwitch, programs: CommandRunner, point: str
) -> None:
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url, api_page_size=9)
        assert programs.wait(programs.start_program(PROGRAM, *arguments(place, point))) == 137
        _wait_for_its_session(place)
        collected, loaded = night(place)
    assert collected.failures == ()
    assert collected.elsewhere == ()
    assert loaded.incomplete == ()
    found = records_of(place)
    assert set(found) == truth_of(switch)
    assert len(found) == len(set(found))
    require_sound(place)


@pytest.mark.fault("A35")
def test_of_two_collectors_one_works_and_the_other_says_so(ctx: RunContext, switch: SimulatedSwitch) -> None:
    account_id = switch.accounts[0].account_id
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url)
        with place.ledger() as other:
            assert other.windows.claim(account_id, DAY, lease_seconds=900) is not None
            collected, _ = night(place)
            assert collected.elsewhere == (account_id,)
            assert collected.failures == ()
            assert warehouse(place, "SELECT count(*) FROM windows") == [(0,)]
        collected, loaded = night(place)
    assert collected.elsewhere == ()
    assert loaded.incomplete == ()


def test_a_released_day_can_be_claimed_at_once(ctx: RunContext) -> None:
    with ctx.ledger() as one, ctx.ledger() as other:
        first = one.windows.claim("acct", DAY, lease_seconds=900)
        assert first is not None
        assert other.windows.claim("acct", DAY, lease_seconds=900) is None
        one.windows.release(first)
        second = other.windows.claim("acct", DAY, lease_seconds=900)
    assert second is not None
    assert second.fence == first.fence + 1


def test_the_claim_of_a_killed_process_is_not_waited_for(ctx: RunContext) -> None:
    with ctx.ledger() as one:
        assert one.windows.claim("acct", DAY, lease_seconds=900) is not None
    with ctx.ledger() as other:
        deadline = time.monotonic() + 5
        while other.windows.claim("acct", DAY, lease_seconds=900) is None:
            assert time.monotonic() < deadline


@pytest.mark.fault("G04")
def test_one_that_stood_still_is_fenced_off(ctx: RunContext) -> None:
    window = LandedWindow(ctx.clock(), ctx.clock(), "k5", "nowhere", ctx.clock())
    with ctx.ledger() as sleeper, ctx.ledger() as other:
        lost = sleeper.windows.claim("acct", DAY, lease_seconds=0.05)
        assert lost is not None
        time.sleep(0.1)
        taken = other.windows.claim("acct", DAY, lease_seconds=900)
        assert taken is not None
        with pytest.raises(ClaimLost):
            sleeper.windows.renew(lost)
        with pytest.raises(ClaimLost):
            sleeper.windows.record_landed(claim=lost, window=window, rows=1, content_sha256="")
        sleeper.windows.release(lost)
        other.windows.renew(taken)
    assert warehouse(ctx, "SELECT count(*) FROM windows") == [(0,)]


@pytest.mark.fault("G04")
def test_a_stopped_process_that_wakes_up_records_nothing(ctx: RunContext, switch: SimulatedSwitch) -> None:
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url, api_page_size=9)
        stopped = subprocess.Popen([sys.executable, str(PROGRAM), *arguments(place, "stop_after_first_page")])
        try:
            _, status = os.waitpid(stopped.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            warehouse(place, "UPDATE collections SET leased_until = now() - interval '1 second' RETURNING 1")
            collected, loaded = night(place)
            assert collected.elsewhere == collected.failures == ()
            landed = warehouse(place, "SELECT starts_at, ends_at, landing_path, landed_at FROM windows ORDER BY 1, 2")
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
            code = stopped.wait(60)
    assert code == 4
    assert loaded.incomplete == ()
    assert warehouse(place, "SELECT starts_at, ends_at, landing_path, landed_at FROM windows ORDER BY 1, 2") == landed
    assert set(records_of(place)) == truth_of(switch)


def test_two_merges_of_one_day_at_once_change_nothing_twice(
    ctx: RunContext, switch: SimulatedSwitch, programs: CommandRunner
) -> None:
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url)
        children = [programs.start_program(PROGRAM, *arguments(place, "none")) for _ in range(3)]
        assert {programs.wait(child) for child in children} == {0}
        _, loaded = night(place)
    assert loaded.incomplete == ()
    found = records_of(place)
    assert set(found) == truth_of(switch)
    assert len(found) == len(set(found))
    require_sound(place)


def test_a_claim_is_kept_over_a_lost_connection_only_until_it_is_noticed(ctx: RunContext) -> None:
    with connect(ctx.url) as connection:
        pid = connection.info.backend_pid
        assert Ledger(connection).windows.claim("acct", DAY, lease_seconds=900) is not None
        with ctx.ledger() as other:
            other.connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            assert other.windows.claim("acct", DAY, lease_seconds=900) is not None
