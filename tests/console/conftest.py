"""A console over a small tree of accounts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.console import ServedConsole, red_day, serving_console
from tests.support.console_browser import started_chromium
from tests.support.databases import copied_database
from tests.support.own_clock import by_own_clock


@pytest.fixture
def console(ctx: RunContext) -> Iterator[ServedConsole]:
    """The console, served."""
    with serving_console(ctx) as served:
        yield served


@pytest.fixture(scope="module")
def shared_console(
    embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedConsole]:
    """One console for the tests of a module, on 10 March, with a red day of 12 calls: each charged twice too high."""
    folder = tmp_path_factory.mktemp("console")
    with copied_database(embedded_server) as url:
        settings = Settings(
            data_dir=folder / "data",
            warehouse_url=url,
            DAGSTER_HOME=folder / "dagster_home",  # type: ignore[call-arg]
            upload_settle_seconds=0,
        )
        ctx = RunContext.open(by_own_clock(settings), clock=lambda: datetime(2026, 3, 10, 12, tzinfo=UTC))
        with serving_console(ctx) as served:
            red_day(ctx, calls=12)
            yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser of the module."""
    with started_chromium() as started:
        yield started
