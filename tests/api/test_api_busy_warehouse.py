"""Requests while the warehouse is slow: each is answered in its time, and none holds up the others."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from cdr_pipeline.core.records.search import Search
from cdr_pipeline.errors import WarehouseUnavailable
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import know, serving, store, token_for

DAY = {"from_date": "2026-03-02", "to_date": "2026-03-02"}
RECORDS = {"business_date": "2026-03-02"}
FILE = b"caller,callee,start_time,duration\r\n100,200,2026-03-02T10:00:00Z,60\r\n"


@contextmanager
def _locked(url: str, table: str) -> Generator[None]:
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
        yield


@pytest.fixture
def hurried(ctx: RunContext) -> RunContext:
    know(ctx)
    store(ctx, "self", {})
    return replace(ctx, settings=ctx.settings.model_copy(update={"serve_search_seconds": 0.5, "serve_connections": 2}))


@pytest.mark.parametrize(("table", "path"), [("days", "days"), ("export_files", "exports"), ("uploads", "uploads")])
def test_a_locked_table_gives_504_and_others_are_served(hurried: RunContext, table: str, path: str) -> None:
    with serving(hurried) as api:
        query = {} if path == "uploads" else DAY
        with _locked(hurried.url, table):
            answers = [api.get(f"/v2/accounts/self/{path}", **query) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [504, 504, 504]
            assert answers[0].json()["message"] == "warehouse_timeout"
            assert api.get("/v2/accounts/self/cdrs", **RECORDS).status_code == 200
        assert api.get(f"/v2/accounts/self/{path}", **query).status_code == 200


def test_an_upload_to_a_locked_table_is_504_and_can_be_repeated(ctx: RunContext) -> None:
    know(ctx)
    store(ctx, "self", {})
    settings = ctx.settings.model_copy(update={"serve_download_seconds": 0.5})
    with serving(replace(ctx, settings=settings)) as api:
        with api.client(token_for(ctx, "self", "upload"), **{"Content-Type": "text/csv"}) as client:
            with _locked(ctx.url, "cdr"):
                assert client.put("/v2/accounts/self/cdrs", content=FILE).status_code == 504
            assert client.put("/v2/accounts/self/cdrs", content=FILE).status_code == 201


def test_downloads_leave_connections_for_searches(hurried: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdr_pipeline.steps.records.search_records._WAIT_SECONDS", 0.2)
    search = Search(accounts=("self",), conditions=(), span=None)

    async def download_twice() -> int:
        records = RecordSearch(hurried, connections=2, statement_seconds=5, download_seconds=5)
        await records.open()
        running = records.csv_rows(search)
        await anext(running)
        with pytest.raises(WarehouseUnavailable, match="as many downloads"):
            await anext(records.csv_rows(search))
        page = await records.page(search, size=5, start=None)
        await running.aclose()
        await anext(records.csv_rows(search))
        await records.close()
        return len(page.rows)

    assert asyncio.run(download_twice()) == 1
