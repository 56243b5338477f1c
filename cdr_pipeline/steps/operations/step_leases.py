"""Keeps the leases of a step and of a run while they run, and finds steps whose process or machine has died."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.operations.leases import ExpiredLease, LeaseOfRun, RunningStep

RENEW_SECONDS: Final = 20.0
# A step is taken for dead after it has missed this much time.
EXPIRED_SECONDS: Final = 120.0
# A living coordinator hands a dead step to another worker within this time; its run is not ended meanwhile.
HANDED_OVER_SECONDS: Final = 120.0
_AFTER_FAILURE_SECONDS: Final = 5.0


@contextmanager
def kept_lease(step: RunningStep, ctx: RunContext, *, renew_seconds: float = RENEW_SECONDS) -> Generator[None]:
    """Holds the lease of a step for the duration of the block; a thread renews it over its own connection.

    While the warehouse is down, the thread tries again. The block is never interrupted.
    """
    _open(step, ctx)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(step, ctx, ended, renew_seconds), name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        _close(step, ctx)


@contextmanager
def kept_run_lease(
    step: RunningStep, open_context: Callable[[], RunContext], *, renew_seconds: float = RENEW_SECONDS
) -> Generator[None]:
    """Holds the lease of the process that coordinates a run, for the duration of the block.

    A thread opens, renews and closes the lease, and tries again while the warehouse is down. The run neither waits
    for it nor fails with it.
    """
    ended = threading.Event()
    keeping = threading.Thread(
        target=_keep, args=(step, open_context, ended, renew_seconds), name="run lease", daemon=True
    )
    keeping.start()
    try:
        yield
    finally:
        ended.set()
        keeping.join()


def process_of_step(run_id: str, step: str, ctx: RunContext) -> str | None:
    """Process that is running a step on any machine; None if none has renewed its lease for two minutes."""
    with ctx.ledger() as ledger:
        return ledger.leases.process_of(run_id, step, EXPIRED_SECONDS)


def running_steps(ctx: RunContext) -> set[tuple[str, str]]:
    """Run and name of the steps that are running on any machine."""
    with ctx.ledger() as ledger:
        return ledger.leases.running(EXPIRED_SECONDS)


def expired_leases(ctx: RunContext) -> list[ExpiredLease]:
    """Steps on any machine that have not renewed their lease for two minutes."""
    with ctx.ledger() as ledger:
        return ledger.leases.expired(EXPIRED_SECONDS)


def leases_of_run(run_id: str, ctx: RunContext) -> list[LeaseOfRun]:
    """Leases of the steps of a run, also of those that have not been renewed for two minutes."""
    with ctx.ledger() as ledger:
        return ledger.leases.of_run(run_id, EXPIRED_SECONDS)


def overdue_leases(ctx: RunContext) -> list[ExpiredLease]:
    """Dead steps that no coordinator has handed over in time, and dead coordinators, oldest first."""
    with ctx.ledger() as ledger:
        return ledger.leases.expired(EXPIRED_SECONDS + HANDED_OVER_SECONDS)


def close_lease(step: RunningStep, ctx: RunContext) -> None:
    """Removes the lease of a step, if the process still holds it."""
    with ctx.ledger() as ledger:
        ledger.leases.close(step)


def expect_lease(run_id: str, step: str, ctx: RunContext) -> None:
    """Lets a step that has no lease be taken for dead in two minutes, unless its process opens one by then."""
    with ctx.ledger() as ledger:
        ledger.leases.expect(run_id, step)


def forget_leases(run_id: str, ctx: RunContext) -> None:
    """Removes the leases of a run that has ended."""
    with ctx.ledger() as ledger:
        ledger.leases.forget(run_id)


def _renew(step: RunningStep, ctx: RunContext, ended: threading.Event, renew_seconds: float) -> None:
    pause = renew_seconds
    while not ended.wait(pause):
        try:
            _renewed(step, ctx)
            pause = renew_seconds
        except Exception:  # noqa: BLE001 - the step itself reports that the warehouse is down
            pause = min(renew_seconds, _AFTER_FAILURE_SECONDS)


def _keep(
    step: RunningStep, open_context: Callable[[], RunContext], ended: threading.Event, renew_seconds: float
) -> None:
    ctx: RunContext | None = None
    pause = renew_seconds
    while True:
        try:
            ctx = _open(step, open_context()) if ctx is None else _renewed(step, ctx)
            pause = renew_seconds
        except Exception:  # noqa: BLE001 - the steps of the run report that the warehouse is down
            pause = min(renew_seconds, _AFTER_FAILURE_SECONDS)
        if ended.wait(pause):
            break
    if ctx is not None:
        _close(step, ctx)


def _open(step: RunningStep, ctx: RunContext) -> RunContext:
    with ctx.ledger() as ledger:
        ledger.leases.open(step)
    return ctx


def _renewed(step: RunningStep, ctx: RunContext) -> RunContext:
    with ctx.ledger() as ledger:
        ledger.leases.renew(step)
    return ctx


def _close(step: RunningStep, ctx: RunContext) -> None:
    try:
        with ctx.ledger() as ledger:
            ledger.leases.close(step)
    except WarehouseError:
        # The lease expires, and ``expired_leases`` finds that its run has ended.
        return
