"""Collects and loads a day in a process of its own that dies, or stands still, at a named point.

Usage: crashing_night.py WAREHOUSE_URL DATA_DIR API_URL TOKEN POINT
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cdr_pipeline.errors import CdrError
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.landing import LandingWriter
from cdr_pipeline.steps.collect import load_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.collect.windows import WindowTable
from cdr_pipeline.warehouse.records.loading import BatchLoad
from tests.support.nights import DAY, night
from tests.support.own_clock import by_own_clock


def die(*_: object, **__: object) -> None:
    """As kill -9 does it."""
    os._exit(137)


def stop(*_: object, **__: object) -> None:
    """Stands still until somebody says go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def then(wrapped: Callable[..., Any], what: Callable[[], None]) -> Callable[..., Any]:
    """The function, and what happens after it."""

    def both(*args: object, **more: object) -> object:
        result = wrapped(*args, **more)
        what()
        return result

    return both


POINTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "none": (None, "", lambda wrapped: wrapped),
    "after_claim": (KazooClient, "pages", lambda _: die),
    "after_first_page": (LandingWriter, "add_page", lambda wrapped: then(wrapped, die)),
    "stop_after_first_page": (LandingWriter, "add_page", lambda wrapped: then(wrapped, once(stop))),
    "before_landed": (WindowTable, "record_landed", lambda _: die),
    "after_landed": (WindowTable, "record_landed", lambda wrapped: then(wrapped, die)),
    "before_release": (WindowTable, "release", lambda _: die),
    "after_stage": (BatchLoad, "stage", lambda wrapped: then(wrapped, die)),
    "before_commit": (BatchLoad, "finish", lambda wrapped: then(wrapped, die)),
    "after_commit": (load_day, "note_completeness", lambda _: die),
}


def rig(point: str) -> None:
    """Arms the point."""
    owner, name, change = POINTS[point]
    if owner is not None:
        setattr(owner, name, change(getattr(owner, name)))


def once(what: Callable[[], None]) -> Callable[[], None]:
    """Only the first time."""
    waiting = [what]

    def first() -> None:
        if waiting:
            waiting.pop()()

    return first


if __name__ == "__main__":
    warehouse_url, data_dir, api_url, token, point = sys.argv[1:]
    rig(point)
    settings = Settings(
        data_dir=Path(data_dir),
        warehouse_url=SecretStr(warehouse_url),
        api_url=api_url,
        api_token=SecretStr(token),
        api_requests_per_second=10_000.0,
        api_page_size=9,
    )
    ctx = RunContext.open(by_own_clock(settings), clock=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    try:
        collected, _ = night(ctx, DAY)
    except CdrError as error:
        sys.exit(error.exit_code)
    sys.exit(4 if any(failure.code == "claim_lost" for failure in collected.failures) else len(collected.failures))
