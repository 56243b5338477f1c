"""Ctrl-C during a night."""

import os
import signal

import dagster as dg
import pytest

from cdr_pipeline.defs import dagster_private
from cdr_pipeline.defs.dagster_private import interruptible_waits, was_interrupted


def test_ctrl_c_ends_the_wait_before_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def interrupt(seconds: float) -> None:
        waits.append(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    @dg.op
    def refused() -> None:
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=600)

    @dg.job
    def night() -> None:
        refused()

    monkeypatch.setattr(dagster_private.time, "sleep", interrupt)
    with interruptible_waits():
        result = night.execute_in_process(raise_on_error=False)
    assert len(waits) == 1
    assert was_interrupted(result.all_events)


def test_a_step_that_fails_did_not_interrupt_its_run() -> None:
    @dg.op
    def broken() -> None:
        raise dg.Failure("broken", allow_retries=False)

    @dg.job
    def night() -> None:
        broken()

    assert not was_interrupted(night.execute_in_process(raise_on_error=False).all_events)
