"""Pages while the warehouse is slow: each is answered in its time, and none holds up the others."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from cdr_pipeline.steps.run_context import RunContext
from tests.support.console import ServedConsole, red_day, serving_console, visible_text

PAGES = {
    "/": "days",
    "/breaks": "reconciled_calls",
    "/inbound": "inbound_files",
    "/uploads": "uploads",
}


@pytest.fixture
def hurried(ctx: RunContext) -> Iterator[ServedConsole]:
    """A console whose statements may take 0.5 seconds."""
    settings = ctx.settings.model_copy(update={"serve_search_seconds": 0.5, "serve_connections": 2})
    with serving_console(replace(ctx, settings=settings)) as served:
        red_day(ctx, calls=2)
        yield served


def test_pages_of_a_locked_table_say_so_in_time_and_others_are_served(hurried: ServedConsole) -> None:
    person = hurried.person("operator")
    for page, table in PAGES.items():
        with psycopg.connect(hurried.ctx.url) as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
            answer = person.client.get(page)
            assert (page, answer.status_code) == (page, 504)
            assert "The warehouse takes too long" in visible_text(answer.text)
    with psycopg.connect(hurried.ctx.url) as connection:
        connection.execute("LOCK TABLE days IN ACCESS EXCLUSIVE MODE")
        assert person.client.get("/help").status_code == 200
