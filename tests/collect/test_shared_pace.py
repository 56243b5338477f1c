"""The limits of requests to the switch hold for all processes together."""

import subprocess
import sys
import time

import pytest

from cdr_pipeline.sources.kazoo.pace import Pace
from cdr_pipeline.steps.run_context import RunContext

# Sends as many requests as it may for three seconds, and prints how many.
PROGRAM = """
import sys, time
from cdr_pipeline.sources.kazoo.pace import Pace
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.engine import connect
with connect(sys.argv[1]) as connection:
    pace = Pace(float(sys.argv[2]), float(sys.argv[3]), reserve=Ledger(connection).pace.reserve, host="switch.example")
    print("ready", flush=True)
    sys.stdin.readline()
    sent, ends = 0, time.monotonic() + 3
    while True:
        pace.wait(sys.argv[4])
        if time.monotonic() > ends:
            break
        sent += 1
    print(sent)
"""


def sent_by_two_processes(url: str, per_account: float, per_host: float, accounts: tuple[str, str]) -> int:
    """Requests that two processes send in three seconds."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, str(per_account), str(per_host), account],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for account in accounts
    ]  # fmt: skip
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(int(process.communicate(timeout=60)[0]) for process in running)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("per_account", "per_host", "accounts"),
    [(1_000.0, 20.0, ("one", "two")), (20.0, 1_000.0, ("one", "one"))],
    ids=["host", "account"],
)
def test_two_processes_together_keep_below_a_limit(
    warehouse_url: str, per_account: float, per_host: float, accounts: tuple[str, str]
) -> None:
    sent = sent_by_two_processes(warehouse_url, per_account, per_host, accounts)
    # Two seconds of burst, three seconds of time, and one reservation of ten requests for each process.
    assert 50 <= sent <= 20 * 5 + 2 * 10


def test_a_process_that_is_alone_is_not_slowed_down(ctx: RunContext) -> None:
    slept: list[float] = []
    with ctx.ledger() as ledger:
        pace = Pace(10_000.0, 100_000.0, sleep=slept.append, reserve=ledger.pace.reserve, host="switch.example")
        started_at = time.monotonic()
        for number in range(2_000):
            pace.wait(f"account {number % 10}")
    assert sum(slept) == 0
    assert time.monotonic() - started_at < 2
