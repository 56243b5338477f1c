"""Clients of HTTP/1.0, which know no chunks."""

import socket
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from cdr_pipeline.errors import WarehouseUnavailable
from cdr_pipeline.steps.records.search_records import RecordSearch
from tests.support.serving import PERIOD, Served

LIST = f"/v2/accounts/self/cdrs?{urlencode(PERIOD)}"


def ask(api: Served, path: str) -> tuple[dict[str, str], bytes]:
    """Status and headers, and the body, of a request with HTTP/1.0."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nX-Auth-Token: {api.tokens['self']}\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return {"status": first.split(" ")[1]} | {line.split(": ")[0].lower(): line.split(": ")[1] for line in lines}, body


@pytest.mark.parametrize("query", ["", "&paginate=false", "&accept=text/csv"])
def test_a_list_has_its_length_and_no_chunks(api: Served, query: str) -> None:
    head, body = ask(
        api, f"/v2/accounts/self/cdrs?created_from={PERIOD['created_from']}&created_to={PERIOD['created_to']}{query}"
    )
    assert (head["status"], int(head["content-length"])) == ("200", len(body))
    assert "transfer-encoding" not in head
    assert body.startswith(b"id,") if "csv" in query else orjson.loads(body)["data"]


def test_a_stream_that_breaks_off_is_an_error(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = RecordSearch.csv_rows

    async def breaking(*args: Any, **more: Any) -> Any:
        async for piece in whole(*args, **more):
            yield piece
            raise WarehouseUnavailable("gone")

    monkeypatch.setattr(RecordSearch, "csv_rows", breaking)
    head, body = ask(
        api,
        f"/v2/accounts/self/cdrs?created_from={PERIOD['created_from']}&created_to={PERIOD['created_to']}&accept=text/csv",
    )
    assert (head["status"], b"id," in body) == ("500", False)
