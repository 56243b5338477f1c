"""Keeps the lease of a step while it runs, and finds steps whose process or machine has died."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.operations.leases import ExpiredLease, RunningStep

RENEW_SECONDS: Final = 20.0
# A step is taken for dead after it has missed this much time.
EXPIRED_SECONDS: Final = 120.0
_AFTER_FAILURE_SECONDS: Final = 5.0


@contextmanager
def kept_lease(step: RunningStep, ctx: RunContext, *, renew_seconds: float = RENEW_SECONDS) -> Generator[None]:
    """Holds the lease of a step for the duration of the block; a thread renews it over its own connection.

    While the warehouse is down, the thread tries again. The block is never interrupted.
    """
    with ctx.ledger() as ledger:
        ledger.leases.open(step)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(step, ctx, ended, renew_seconds), name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        _close(step, ctx)


def expired_leases(ctx: RunContext) -> list[ExpiredLease]:
    """Steps on any machine that have not renewed their lease for two minutes."""
    with ctx.ledger() as ledger:
        return ledger.leases.expired(EXPIRED_SECONDS)


def forget_leases(run_id: str, ctx: RunContext) -> None:
    """Removes the leases of a run that has ended."""
    with ctx.ledger() as ledger:
        ledger.leases.forget(run_id)


def _renew(step: RunningStep, ctx: RunContext, ended: threading.Event, renew_seconds: float) -> None:
    pause = renew_seconds
    while not ended.wait(pause):
        try:
            with ctx.ledger() as ledger:
                ledger.leases.renew(step)
            pause = renew_seconds
        except Exception:  # noqa: BLE001 - the step itself reports that the warehouse is down
            pause = min(renew_seconds, _AFTER_FAILURE_SECONDS)


def _close(step: RunningStep, ctx: RunContext) -> None:
    try:
        with ctx.ledger() as ledger:
            ledger.leases.close(step)
    except WarehouseError:
        # The lease expires, and ``expired_leases`` finds that its run has ended.
        return
