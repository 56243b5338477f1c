"""The API on a free loopback port, over a tree of accounts with records; and a client of it."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
import polars as pl
import pytest
import uvicorn
from starlette.types import ASGIApp

from cdr_pipeline.api.app import create_app
from cdr_pipeline.api.serving import config
from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind
from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.steps.accounts.api_tokens import TokenRequest, create_token
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from tests.support.records import rows

# The client of the tests writes every URL at INFO.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# top > self > child; sibling beside self; stranger in a tree of its own.
TREE = {"top": None, "self": "top", "child": "self", "sibling": "top", "stranger": None}
STARTED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PERIOD = {"created_from": "2026-03-01T00:00:00Z", "created_to": "2026-03-31T00:00:00Z"}


class Tokens(dict[str, str]):
    """Reading tokens by account, made when they are asked for."""

    def __init__(self, ctx: RunContext) -> None:
        super().__init__()
        self._at = ctx

    def __missing__(self, account_id: str) -> str:
        self[account_id] = token_for(self._at, account_id)
        return self[account_id]


@dataclass(frozen=True, slots=True)
class Served:
    """A running API."""

    url: str
    ctx: RunContext
    tokens: "Tokens"

    def client(self, token: str | None = None, **headers: str) -> httpx2.Client:
        """A client with a token of its own."""
        sent = headers | ({} if token is None else {"X-Auth-Token": token})
        return httpx2.Client(base_url=self.url, headers=sent, timeout=30)

    def get(self, path: str, account: str = "self", token: str | None = None, **query: Any) -> httpx2.Response:
        """One request with the reading token of an account."""
        headers = query.pop("headers", {})
        with self.client(token or self.tokens[account], **headers) as client:
            return client.get(path, params=query)


def know(ctx: RunContext, tree: dict[str, str | None] = TREE) -> None:
    """Makes the accounts known."""
    with ctx.ledger() as ledger:
        for account_id, parent_id in tree.items():
            ledger.accounts.add(
                Account(account_id, f"name of {account_id}", parent_id, country_code="1"), now=ctx.clock()
            )


def store(
    ctx: RunContext, account_id: str, *changes: dict[str, Any], origin: str = "api", now: datetime | None = None
) -> None:
    """Loads records: one a change, saved half a minute after each other."""
    made = rows(
        *(
            {
                "account_id": account_id,
                "origin": origin,
                "record_id": f"202603-call{number}",
                "call_id": f"call{number}",
                "started_at": STARTED + timedelta(seconds=30 * number),
                "ended_at": STARTED + timedelta(seconds=30 * number + 30),
                "hangup_cause": "NORMAL_CLEARING",
            }
            | {key: _typed(key, value) for key, value in change.items()}
            for number, change in enumerate(changes, start=1)
        )
    ).with_columns(
        # What a change moves in time ends and is filed accordingly.
        ended_at=pl.col("started_at")
        + pl.duration(microseconds=(pl.col("duration_seconds") * 1_000_000).cast(pl.Int64)),
        business_date=pl.col("started_at").dt.date(),
    )
    header = BatchHeader(
        account_id, uuid4(), "window" if origin == "api" else "upload", "test", now or ctx.clock(),
        business_date=date(2026, 3, 2) if origin == "api" else None,
    )  # fmt: skip
    with ctx.ledger() as ledger, batch_load(ledger.connection, header) as load:
        load.stage(made)
        load.finish(read=made.height)


def token_for(ctx: RunContext, account_id: str, scope: str = "read", days: int = 30) -> str:
    """A token of an account."""
    return create_token(TokenRequest(account_id, scope, "test", days), ctx).token


@contextmanager
def listening(app: ASGIApp, proxies: str = "") -> Iterator[str]:
    """URL of an application that is served on a free loopback port while the block runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(config(app, host="127.0.0.1", port=port, proxies=proxies))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="served", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise RuntimeError("the application did not start")
            time.sleep(0.005)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        listener.close()


@contextmanager
def serving(ctx: RunContext, **settings: Any) -> Iterator[Served]:
    """Serves the workplace while the block runs; a reading token for each account of the tree."""
    placed = replace(ctx, settings=ctx.settings.model_copy(update=settings))
    know(ctx)
    with listening(create_app(placed)) as url:
        yield Served(url, placed, Tokens(placed))


def gregorian(moment: datetime) -> str:
    """As the switch writes it."""
    return str(to_gregorian(moment))


def _typed(name: str, value: Any) -> Any:
    """Numbers of records are exact."""
    if name not in BY_NAME:
        return value
    return Decimal(value) if isinstance(value, str) and BY_NAME[name].kind in (Kind.SECONDS, Kind.MONEY) else value


def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """The log says so, within a moment: a request's line is written after its answer is."""
    deadline = time.monotonic() + 10
    while text not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert text in caplog.text
