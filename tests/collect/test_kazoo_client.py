"""What the network and the switch do to a client, by the numbers of the fault list."""

import gzip
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import orjson
import pytest
import stamina

from cdr_pipeline.errors import (
    PermanentUpstreamError,
    TransientUpstreamError,
    UpstreamAccountNotFound,
    UpstreamAuthError,
    UpstreamProtocolError,
    WindowTooHeavy,
)
from cdr_pipeline.sources.kazoo import connection as connection_module
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.connection import Connection
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.refusals import retry_after_seconds, retry_decision
from cdr_pipeline.sources.kazoo.session import Credentials
from cdr_pipeline.sources.upstream import Window
from tests.support.scripted_server import Reply, scripted_server

TOKEN = "CANARY_TOK_0123456789"
WINDOW = Window(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))


def page(*ids: str, next_key: str | None = None, **more: Any) -> bytes:
    envelope: dict[str, Any] = {"data": [{"id": record_id} for record_id in ids], "page_size": "50"}
    if next_key:
        envelope["next_start_key"] = next_key
    return orjson.dumps(envelope | {"status": "success", "auth_token": TOKEN} | more)


def ids_of(url: str, *, dialect: SwitchDialect = SwitchDialect.V2_K43, **options: Any) -> list[str]:
    """Ids of every row of the window."""
    credentials = Credentials(token=options.pop("token", TOKEN), api_key=options.pop("api_key", ""))
    options = {"requests_per_second": 10_000.0, "timeout_seconds": 3.0} | options
    with KazooClient(url, credentials, **options) as client:
        return [
            row["id"]
            for body, found in client.pages("acct", WINDOW, dialect)
            for row in map(orjson.loads, found.ndjson.splitlines())
            if TOKEN.encode() not in body
        ]


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    """Retries as in life, but without waiting."""
    with stamina.set_testing(testing=True, attempts=4, cap=True):
        yield


@pytest.mark.fault("A01")
def test_a_refused_connection_is_transient() -> None:
    with pytest.raises(TransientUpstreamError):
        ids_of("http://127.0.0.1:9")


@pytest.mark.fault("A01")
def test_a_switch_that_never_answered_is_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def refused(*_: object) -> None:
        tries.append("try")
        raise TransientUpstreamError("connection refused by switch:443")

    monkeypatch.setattr(Connection, "_exchange", refused)
    counts: list[int] = []
    with KazooClient("http://switch", Credentials(token=TOKEN), requests_per_second=10_000.0) as client:
        for _ in range(2):
            tries.clear()
            with pytest.raises(TransientUpstreamError, match="connection refused"):
                list(client.pages("acct", WINDOW, SwitchDialect.V2_K43))
            counts.append(len(tries))
    assert counts == [4, 1]


@pytest.mark.fault("A01")
def test_a_switch_that_answered_before_is_asked_as_often_as_ever() -> None:
    with scripted_server(Reply(b"{}", 404), *[Reply(page("a"), cut_after=3)] * 3, Reply(page("a"))) as server:
        credentials = Credentials(token=TOKEN)
        with KazooClient(server.url, credentials, requests_per_second=10_000.0, timeout_seconds=3.0) as client:
            with pytest.raises(PermanentUpstreamError):
                list(client.pages("acct", WINDOW, SwitchDialect.V2_K43))
            assert len(list(client.pages("acct", WINDOW, SwitchDialect.V2_K43))) == 1


@pytest.mark.fault("A02")
def test_an_unresolved_host_is_transient_and_named_without_its_query() -> None:
    with pytest.raises(TransientUpstreamError, match=r"nowhere\.invalid") as raised:
        ids_of("http://nowhere.invalid")
    assert "created_from" not in str(raised.value)
    assert "CANARY" not in str(raised.value)


@pytest.mark.fault("A03")
def test_a_reply_that_stops_in_the_middle_is_asked_for_again() -> None:
    whole = page("a", "b")
    with scripted_server(Reply(whole, cut_after=10), Reply(whole)) as server:
        assert ids_of(server.url) == ["a", "b"]
    assert len(server.requests) == 2


@pytest.mark.fault("A04")
def test_a_slow_drip_is_ended_by_the_deadline() -> None:
    begun = time.monotonic()
    with scripted_server(Reply(page("a"), drip=0.2)) as server, pytest.raises(TransientUpstreamError, match="longer"):
        ids_of(server.url, timeout_seconds=0.5, attempts=1)
    assert time.monotonic() - begun < 5


@pytest.mark.fault("A05")
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_asked_again(status: int) -> None:
    with scripted_server(Reply(b"", status), Reply(page("a"))) as server:
        assert ids_of(server.url) == ["a"]


@pytest.mark.fault("A06")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("-5", None),
        ("abc", None),
        ("1000000000", 1e9),
        ("an hour from now, as a date", 3600),
    ],
)
def test_retry_after_is_understood_in_all_its_forms(header: str, seconds: float | None) -> None:
    if header.endswith("date"):  # written when the test runs, not when it is collected
        header = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    sent = {"Retry-After": header, "Date": format_datetime(datetime.now(UTC), usegmt=True)}
    with scripted_server(Reply(b"{}", 429, sent)) as server:
        with pytest.raises(TransientUpstreamError) as raised:
            ids_of(server.url, attempts=1)
    found = raised.value.retry_after_seconds
    assert found is None if seconds is None else found == pytest.approx(seconds, abs=5)


@pytest.mark.parametrize(
    ("date", "now", "seconds"),
    [
        ("Mon, 02 Mar 2026 10:00:00 GMT", None, 30),
        ("Mon, 02 Mar 2026 10:00:00 GMT", datetime(2026, 3, 2, 9, tzinfo=UTC), 30),
        (None, datetime(2026, 3, 2, 10, 0, 20, tzinfo=UTC), 10),
        (None, datetime(2026, 3, 2, 11, tzinfo=UTC), None),
        (None, None, None),
    ],
)
def test_a_retry_after_date_is_compared_with_the_date_of_the_response(
    date: str | None, now: datetime | None, seconds: float | None
) -> None:
    headers = httpx2.Headers({"Retry-After": "Mon, 02 Mar 2026 10:00:30 GMT"} | ({"Date": date} if date else {}))
    assert retry_after_seconds(headers, now) == seconds


@pytest.mark.fault("A06")
def test_a_huge_retry_after_is_capped() -> None:
    error = TransientUpstreamError("429", retry_after_seconds=1e9)
    assert retry_decision(error) == 60.0


@pytest.mark.fault("A07")
def test_a_refused_token_is_permanent_and_asked_once() -> None:
    with scripted_server(Reply(b'{"message":"invalid_credentials"}', 401)) as server, pytest.raises(UpstreamAuthError):
        ids_of(server.url)
    assert len(server.requests) == 1


@pytest.mark.fault("A07")
def test_an_expired_token_is_renewed_once_with_the_api_key() -> None:
    login = orjson.dumps({"auth_token": "fresh", "status": "success", "data": {}})
    with scripted_server(Reply(b"{}", 401), Reply(login, 201), Reply(page("a"))) as server:
        assert ids_of(server.url, api_key="k" * 64) == ["a"]
    assert [request.split()[0] for request in server.requests] == ["GET", "PUT", "GET"]
    assert "fresh" in server.requests[2]


@pytest.mark.fault("A07")
def test_a_refused_api_key_does_not_storm() -> None:
    with scripted_server(Reply(b"{}", 401)) as server, pytest.raises(UpstreamAuthError, match="credentials"):
        ids_of(server.url, token="", api_key="k" * 64)
    assert len(server.requests) == 1


@pytest.mark.fault("A08", "A10")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, UpstreamAuthError),
        (404, UpstreamAccountNotFound),
        (410, UpstreamAccountNotFound),
        (405, UpstreamProtocolError),
        (415, UpstreamProtocolError),
    ],
)
def test_refusals_are_permanent(status: int, kind: type[Exception]) -> None:
    with scripted_server(Reply(b"", status)) as server, pytest.raises(kind):
        ids_of(server.url)
    assert len(server.requests) == 1


@pytest.mark.fault("A09")
@pytest.mark.parametrize("status", [400, 500])
def test_a_range_error_is_permanent_even_with_status_500(status: int) -> None:
    body = b'{"data":{"created_from":{"date_range":{"message":"too long"}}},"message":"invalid request"}'
    with scripted_server(Reply(body, status)) as server, pytest.raises(UpstreamProtocolError):
        ids_of(server.url)
    assert len(server.requests) == 1


@pytest.mark.fault("R412")
def test_html_with_status_200_is_asked_again_like_any_fault() -> None:
    with scripted_server(Reply(b"<html>CANARY", 200, {"Content-Type": "text/html"})) as server:
        with pytest.raises(TransientUpstreamError) as raised:
            ids_of(server.url)
    assert "CANARY" not in str(raised.value)
    assert "CDR_API_URL" in raised.value.hint
    assert len(server.requests) == 4


@pytest.mark.fault("R408")
def test_a_short_page_of_3x_is_asked_for_again() -> None:
    short = page("a", next_key="63602563961", page_size=2)
    whole = page("a", "b", next_key="63602563961", page_size=2)
    with scripted_server(Reply(short), Reply(whole), Reply(page("c", page_size=2))) as server:
        assert ids_of(server.url, dialect=SwitchDialect.V2_K3, page_size=2) == ["a", "b", "c"]
    assert len(server.requests) == 3


@pytest.mark.fault("R408")
def test_v1_rows_fewer_than_stated_are_asked_for_again() -> None:
    with scripted_server(Reply(page("a", page_size=2)), Reply(page("a", "b", page_size=2))) as server:
        assert ids_of(server.url, dialect=SwitchDialect.SEED_V1) == ["a", "b"]


@pytest.mark.fault("R410")
@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
def test_more_rows_than_a_page_states_are_accepted(dialect: SwitchDialect) -> None:
    body = page("a", "b", page_size="1", node="n", version="4.3.0")
    with scripted_server(Reply(body)) as server:
        assert ids_of(server.url, dialect=dialect) == ["a", "b"]


@pytest.mark.fault("R411")
@pytest.mark.parametrize(
    "bad",
    [Reply(b"", 503), Reply(b"<html>", 504), Reply(b"<html>", 200, {"Content-Type": "text/html"}), Reply(b"", 520)],
)
def test_a_login_is_retried_like_any_request(bad: Reply) -> None:
    login = orjson.dumps({"auth_token": "fresh", "status": "success", "data": {"account_id": "owner"}})
    with scripted_server(bad, Reply(login, 201), Reply(page("a"))) as server:
        assert ids_of(server.url, token="", api_key="k" * 64) == ["a"]
    with scripted_server(bad, Reply(login, 201)) as server:
        with KazooClient(server.url, Credentials(api_key="k" * 64)) as client:
            assert client.own_account() == "owner"


@pytest.mark.fault("R401")
def test_a_timeout_over_a_months_edge_is_asked_for_again() -> None:
    edge = datetime(2026, 3, 1, tzinfo=UTC)
    window = Window(edge - timedelta(hours=1), edge + timedelta(days=1))
    with scripted_server(Reply(b"<html>", 504), Reply(page("a"))) as server:
        with KazooClient(server.url, Credentials(token=TOKEN), requests_per_second=10_000.0) as client:
            assert [found.rows for _, found in client.pages("acct", window, SwitchDialect.V2_K43)] == [1]
    assert len(server.requests) == 2


@pytest.mark.fault("A10")
def test_html_that_goes_away_does_no_harm() -> None:
    with scripted_server(Reply(b"<html>", 200, {"Content-Type": "text/html"}), Reply(page("a"))) as server:
        assert ids_of(server.url) == ["a"]


@pytest.mark.fault("A11")
def test_redirects_are_not_followed_and_the_token_goes_nowhere() -> None:
    with scripted_server(Reply(page("stolen"))) as other:
        with scripted_server(Reply(b"", 302, {"Location": other.url})) as server:
            with pytest.raises(UpstreamProtocolError, match="redirect"):
                ids_of(server.url)
        assert other.requests == []


@pytest.mark.fault("A14")
@pytest.mark.parametrize("end", [1, 20, 60])
def test_a_truncated_page_is_never_success(end: int) -> None:
    whole = page("a", "b", "c")
    with scripted_server(Reply(whole[:-end], length=None), Reply(whole)) as server:
        assert ids_of(server.url) == ["a", "b", "c"]
    assert len(server.requests) == 2


@pytest.mark.fault("A14")
def test_rows_without_a_trailer_are_no_page() -> None:
    with scripted_server(Reply(b'{"data":[{"id":"a"}]}')) as server, pytest.raises(TransientUpstreamError):
        ids_of(server.url)


@pytest.mark.fault("A15")
def test_a_body_shorter_than_promised_is_asked_for_again() -> None:
    whole = page("a")
    with scripted_server(Reply(whole, length=len(whole) + 9), Reply(whole)) as server:
        assert ids_of(server.url) == ["a"]


@pytest.mark.fault("A16")
def test_a_reply_that_unpacks_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_MAX_BODY_BYTES", 1_000_000)
    bomb = gzip.compress(b" " * 50_000_000)
    with scripted_server(Reply(bomb, 200, {"Content-Encoding": "gzip"})) as server:
        with pytest.raises(WindowTooHeavy, match="unpacks"):
            ids_of(server.url)
    assert len(server.requests) == 1


@pytest.mark.fault("A20")
def test_a_key_that_comes_again_ends_the_walk() -> None:
    with (
        scripted_server(Reply(page("a", next_key="k1"))) as server,
        pytest.raises(UpstreamProtocolError, match="same page"),
    ):
        ids_of(server.url)
    assert len(server.requests) == 2


@pytest.mark.fault("A20")
def test_a_cycle_of_keys_ends_the_walk() -> None:
    cycle = [Reply(page("a", next_key=key)) for key in ("k1", "k2", "k1")]
    with scripted_server(*cycle) as server, pytest.raises(UpstreamProtocolError):
        ids_of(server.url)


@pytest.mark.fault("A20")
def test_on_3x_crowded_seconds_are_fetched_in_larger_pages() -> None:
    with scripted_server(
        Reply(page("a", "b", next_key="63602563961", page_size=2)),
        Reply(page("a", "b", next_key="63602563961", page_size=2)),
        Reply(page("a", "b", "c", page_size=8)),
    ) as server:
        assert set(ids_of(server.url, dialect=SwitchDialect.V2_K3, page_size=2)) == {"a", "b", "c"}
    assert "page_size=8" in server.requests[-1]


@pytest.mark.fault("A21")
def test_an_empty_page_with_a_next_key_is_not_the_end() -> None:
    with scripted_server(Reply(page(next_key="k1")), Reply(page("a"))) as server:
        assert ids_of(server.url) == ["a"]


@pytest.mark.fault("A22")
def test_a_page_size_in_text_is_accepted() -> None:
    with scripted_server(Reply(page("a", page_size="50"))) as server:
        assert ids_of(server.url) == ["a"]


@pytest.mark.fault("A34")
def test_the_echoed_token_is_cut_from_what_lands() -> None:
    with scripted_server(Reply(page("a"))) as server, KazooClient(server.url, Credentials(token=TOKEN)) as client:
        bodies = [body for body, _ in client.pages("acct", WINDOW, SwitchDialect.V2_K43)]
    assert TOKEN.encode() not in b"".join(bodies)


def test_a_gateway_timeout_asks_for_a_shorter_window() -> None:
    with scripted_server(Reply(b"<html>", 504)) as server, pytest.raises(WindowTooHeavy):
        ids_of(server.url)
    assert len(server.requests) == 1


@pytest.mark.fault("F01")
def test_the_token_is_in_no_log_line_and_no_url(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        with scripted_server(Reply(page("a", next_key="k1")), Reply(page("b"))) as server:
            ids_of(server.url)
    assert TOKEN not in caplog.text
    assert all(TOKEN not in request.splitlines()[0] for request in server.requests)


def test_errors_of_the_client_never_quote_the_reply() -> None:
    body = orjson.dumps({"message": "+15550100042 was refused for CANARY", "data": TOKEN})
    with scripted_server(Reply(body, 400)) as server, pytest.raises(PermanentUpstreamError) as raised:
        ids_of(server.url)
    assert "CANARY" not in str(raised.value)
    assert "15550100042" not in str(raised.value)
