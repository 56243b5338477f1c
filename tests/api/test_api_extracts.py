"""Extracts: files of records of any period, made in the background, with the rows of the lists."""

import gzip
import hashlib
import io
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import openpyxl
import polars as pl
import psycopg
import pytest
from pydantic import SecretStr

from cdr_pipeline.api import extract_maker
from cdr_pipeline.api.app import create_app
from cdr_pipeline.exports import record_lists
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.records import extracts, making_extracts
from cdr_pipeline.steps.records.extract_slices import ExtractSlices
from cdr_pipeline.steps.records.extracts import clear_extracts, clear_strays
from cdr_pipeline.steps.records.making_extracts import claim_extract
from cdr_pipeline.steps.retention.erase_number import EraseRequest, erase_number
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.databases import copied_database
from tests.support.own_clock import by_own_clock
from tests.support.serving import STARTED, Served, know, listening, serving, store, token_for

PATH = "/v2/accounts/self/extracts"
LIST = "/v2/accounts/self/cdrs"
YEAR = {"created_from": "2026-01-01T00:00:00Z", "created_to": "2026-12-31T23:59:59Z"}
MARCH = {"created_from": "2026-03-01T00:00:00Z", "created_to": "2026-03-31T00:00:00Z"}
EARLIER = datetime(2026, 11, 19, tzinfo=UTC)
# Calls of some months; a cell that a spreadsheet would run, one with a line end, one with a backslash.
CALLS = (
    {"started_at": STARTED, "duration_seconds": "30", "caller_id_name": "=1+1"},
    {"started_at": STARTED + timedelta(days=1), "duration_seconds": "30", "caller_id_name": 'two\nlines, "quoted"'},
    {"started_at": STARTED + timedelta(days=40), "duration_seconds": "30", "caller_id_name": "back\\slash"},
    {"started_at": STARTED + timedelta(days=120), "duration_seconds": "30", "owner_id": "u1"},
)


@pytest.fixture
def api(ctx: RunContext) -> Iterator[Served]:
    with making(ctx) as served:
        yield served


@pytest.fixture(scope="module")
def shared(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for tests that only read records."""
    folder = tmp_path_factory.mktemp("extracts")
    with copied_database(embedded_server) as url:
        home: Any = {"DAGSTER_HOME": folder / "dagster_home"}
        settings = Settings(data_dir=folder, warehouse_url=SecretStr(url), **home)
        ctx = RunContext.open(by_own_clock(settings), clock=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
        with making(ctx) as served:
            yield served


@contextmanager
def making(ctx: RunContext) -> Generator[Served]:
    """A server with some calls that looks for extracts to make all the time."""
    know(ctx)
    store(ctx, "self", *CALLS, now=ctx.clock() - timedelta(1))
    with serving(ctx, serve_extract_seconds=0.1) as served:
        yield served


def request(api: Served, data: dict[str, Any], *, token: str | None = None, path: str = PATH, **headers: str) -> Any:
    with api.client(token or api.tokens["self"], **headers) as client:
        return client.post(path, json={"data": data})


def ended(api: Served, response: httpx2.Response, *, token: str | None = None, account: str = "self") -> dict[str, Any]:
    """The extract of a response once it has ended."""
    assert response.status_code == 202, response.text
    deadline = time.monotonic() + 60
    while True:
        state = api.get(response.headers["location"], account, token).json()["data"]
        if state["state"] not in ("waiting", "running"):
            return state
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


def made(api: Served, account: str = "self", **data: Any) -> bytes:
    """The file of a request."""
    response = request(api, data, token=api.tokens[account], path=f"/v2/accounts/{account}/extracts")
    extract = ended(api, response, account=account)
    assert extract["state"] == "ready", extract
    file = api.get(f"{response.headers['location']}/file", account)
    assert file.status_code == 200
    assert (extract["bytes"], extract["sha256"]) == (len(file.content), hashlib.sha256(file.content).hexdigest())
    assert file.headers["x-content-sha256"] == extract["sha256"]
    return file.content


def test_a_year_is_a_file_with_the_rows_of_the_lists(shared: Served) -> None:
    rows = made(shared, parameters=YEAR).splitlines(keepends=True)
    months = [
        shared.get(
            LIST,
            headers={"Accept": "text/csv"},
            created_from=f"2026-{month:02}-01T00:00:00Z",
            created_to=f"2026-{month:02}-30T23:59:59Z",
        ).content.splitlines(keepends=True)
        for month in (6, 4, 3)
    ]
    assert b"".join(rows) == b"".join([months[0][0], *(line for month in months for line in month[1:])])


@pytest.mark.parametrize("order", [{}, {"ascending": "true"}])
def test_each_form_has_the_rows_of_the_list(shared: Served, order: dict[str, str]) -> None:
    parameters = MARCH | order
    listed = shared.get(LIST, headers={"Accept": "text/csv"}, **parameters).content
    rows = shared.get(LIST, paginate="false", **parameters).json()["data"]
    frame = pl.read_csv(io.BytesIO(listed), infer_schema=False)
    assert made(shared, parameters=parameters) == listed
    assert gzip.decompress(made(shared, compression="gzip", parameters=parameters)) == listed
    document = httpx2.Response(200, content=made(shared, format="json", parameters=parameters)).json()
    assert document == {"data": rows, "status": "success"}
    lines = made(shared, format="json_lines", parameters=parameters)
    assert lines == shared.get(LIST, accept="ndjson", **parameters).content
    arrow = pl.read_ipc_stream(io.BytesIO(made(shared, format="arrow", parameters=parameters)))
    assert arrow["id"].to_list() == frame["id"].to_list()
    sheet = openpyxl.load_workbook(io.BytesIO(made(shared, format="xlsx", parameters=parameters))).active
    assert sheet is not None
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == frame["id"].to_list()
    guarded = made(shared, format="spreadsheet", parameters=parameters)
    assert guarded.startswith(b'\xef\xbb\xbf"id"')
    assert b'"\'=1+1"' in guarded


def test_filters_columns_users_and_interactions_are_those_of_the_list(shared: Served) -> None:
    only = {"fields": "id,caller_id_name"}
    assert made(shared, parameters=YEAR | only, user_id="u1").decode().splitlines()[1:] == ['"202603-call4",""']
    assert b"call3" in made(shared, parameters=YEAR | only | {"search": "back\\slash"})
    assert made(shared, parameters=YEAR | {"direction": "outbound"}).count(b"\n") == 1
    both = YEAR | {"direction": ["inbound", "outbound"], "utc_offset": 3600}
    assert made(shared, format="json_lines", parameters=both).count(b"\n") == 4
    first = made(shared, kind="interactions", format="json_lines", parameters=YEAR)
    assert first.count(b"inception_direction") == 4
    day = made(shared, format="json_lines", parameters={"business_date": "2026-03-02"})
    assert day.count(b"\n") == 1


def test_a_period_without_records_is_an_empty_list(shared: Served) -> None:
    nothing = {"created_from": "1995-01-01T00:00:00Z", "created_to": "2020-01-01T00:00:00Z"}
    assert made(shared, parameters=nothing).startswith(b"id,call_id,")
    assert httpx2.Response(200, content=made(shared, format="json", parameters=nothing)).json()["data"] == []


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"format": "pdf"}, "data.format"),
        ({"compression": "zip"}, "data.compression"),
        ({"parameters": {"no_such": "1"}}, "no_such"),
        ({"parameters": {"page_size": "5"}}, "page_size"),
        (
            {"parameters": {"created_from": "2026-03-02T00:00:00Z", "created_to": "2026-03-01T00:00:00Z"}},
            "created_from",
        ),
        ({"parameters": {"created_from": ["2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"]}}, "created_from"),
        ({"parameters": {"fields": "secret"}}, "fields"),
        ({"parameters": {"answered": "perhaps"}}, "answered"),
    ],
)
def test_faulty_requests_are_400_and_name_the_field(shared: Served, data: dict[str, Any], field: str) -> None:
    response = request(shared, data)
    assert (response.status_code, list(response.json()["data"])) == (400, [field])


def test_a_download_can_be_resumed_and_a_head_has_its_size(shared: Served) -> None:
    response = request(shared, {"parameters": YEAR})
    extract = ended(shared, response)
    path = f"{response.headers['location']}/file"
    with shared.client(shared.tokens["self"]) as client:
        head = client.head(path)
        part = client.get(path, headers={"Range": "bytes=5-", "If-Range": head.headers["etag"]})
        whole = client.get(path)
    assert head.headers["content-length"] == str(extract["bytes"])
    assert (part.status_code, part.content) == (206, whole.content[5:])
    assert "cdrs_self_2026-01-01_2026-12-31.csv" in whole.headers["content-disposition"]


def test_states_are_shown_until_the_file_is_ready(ctx: RunContext) -> None:
    know(ctx)
    store(ctx, "self", *CALLS, now=ctx.clock() - timedelta(1))
    with serving(ctx, serve_extract_seconds=0) as api:
        response = request(api, {"parameters": YEAR | {"created_from": 63_934_444_800}})
        path = response.headers["location"]
        assert response.headers["retry-after"] == "5"
        waiting = api.get(path)
        assert (waiting.json()["data"]["state"], waiting.headers["retry-after"]) == ("waiting", "5")
        early = api.get(f"{path}/file")
        assert (early.status_code, early.json()["message"], early.headers["retry-after"]) == (
            409, "extract_not_ready", "5",
        )  # fmt: skip
        making = claim_extract(api.ctx)
        assert making is not None
        assert api.get(path).json()["data"]["state"] == "running"
        making.give_back()
    with serving(ctx, serve_extract_seconds=0.1) as api:
        assert ended(api, response)["rows"] == len(CALLS)
        assert [item["extract_id"] for item in api.get(PATH).json()["data"]] == [path.rsplit("/", 1)[1]]


def test_records_that_are_loaded_after_the_request_are_left_out(ctx: RunContext) -> None:
    know(ctx)
    store(ctx, "self", *CALLS[:2], now=ctx.clock() - timedelta(1))
    with serving(ctx, serve_extract_seconds=0) as api:
        response = request(api, {"parameters": YEAR})
    store(ctx, "self", *CALLS, now=ctx.clock() + timedelta(1))
    with serving(ctx, serve_extract_seconds=0.1) as api:
        assert ended(api, response)["rows"] == 2


def test_a_repeated_key_gets_the_same_extract(api: Served) -> None:
    first = request(api, {"parameters": YEAR}, **{"Idempotency-Key": "k1"})
    again = request(api, {"parameters": YEAR}, **{"Idempotency-Key": "k1"})
    other = request(api, {"parameters": MARCH}, **{"Idempotency-Key": "k1"})
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["message"]) == (422, "idempotency_mismatch")
    assert len(api.get(PATH).json()["data"]) == 1


def test_a_resellers_extract_is_hidden_from_the_account(api: Served) -> None:
    response = request(api, {"parameters": YEAR}, token=api.tokens["top"])
    own = request(api, {"parameters": YEAR})
    ended(api, response, token=api.tokens["top"])
    ended(api, own)
    path = response.headers["location"]
    assert b"reseller_cost" in api.get(f"{path}/file", token=api.tokens["top"]).content.splitlines()[0]
    assert b"reseller_cost" not in api.get(f"{own.headers['location']}/file").content.splitlines()[0]
    for hidden in (path, f"{path}/file"):
        assert (api.get(hidden).status_code, api.get(hidden, "stranger").status_code) == (404, 404)
    assert len(api.get(PATH).json()["data"]) == 1
    assert len(api.get(PATH, token=api.tokens["top"]).json()["data"]) == 2


def test_only_the_requester_and_administrators_delete_an_extract(api: Served) -> None:
    response = request(api, {"parameters": YEAR})
    ended(api, response)
    path = response.headers["location"]
    folder = api.ctx.settings.extract_dir / "self"
    assert len(list(folder.iterdir())) == 1
    with api.client(token_for(api.ctx, "self", "upload")) as other:
        assert other.delete(path).status_code == 403
    with api.client(api.tokens["self"]) as requester:
        assert requester.delete(path).json()["data"]["state"] == "deleted"
        assert requester.get(path).status_code == 404
        assert requester.delete(path).status_code == 404
    assert list(folder.iterdir()) == []
    path = request(api, {"parameters": YEAR}).headers["location"]
    with api.client(token_for(api.ctx, "self", "admin")) as admin:
        assert admin.delete(path).status_code == 200


def test_a_running_extract_is_cancelled_at_once(api: Served) -> None:
    with psycopg.connect(api.ctx.url) as locking:
        locking.execute("LOCK TABLE cdr_links IN ACCESS EXCLUSIVE MODE")
        response = request(api, {"parameters": YEAR})
        path = response.headers["location"]
        wait_for(lambda: api.get(path).json()["data"]["slices"] > 0)
        with api.client(api.tokens["self"]) as client:
            assert client.delete(path).status_code == 200
        # The statement that waits for the lock is cancelled, and the part of the file is deleted.
        wait_for(lambda: list((api.ctx.settings.extract_dir / "self").iterdir()) == [])


def test_a_slow_day_ends_the_extract_with_its_date(ctx: RunContext) -> None:
    know(ctx)
    store(ctx, "self", *CALLS, now=ctx.clock() - timedelta(1))
    with serving(ctx, serve_extract_seconds=0.1, serve_download_seconds=0.3) as api:
        with psycopg.connect(api.ctx.url) as locking:
            locking.execute("LOCK TABLE cdr_links IN ACCESS EXCLUSIVE MODE")
            extract = ended(api, request(api, {"parameters": MARCH | {"ascending": "true"}}))
        assert (extract["state"], extract["error"]["code"]) == ("failed", "warehouse_timeout")
        assert "2026-03-01 took longer than 0.3 seconds" in extract["error"]["message"]
        file = api.get(f"{PATH}/{extract['extract_id']}/file")
        assert (file.status_code, file.json()["message"]) == (409, "extract_failed")


@pytest.mark.parametrize("fault", ["timeout", "connection"])
def test_a_slice_that_fails_for_a_moment_is_read_again(
    ctx: RunContext, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    divided, divide = threading.Event(), ExtractSlices.divide

    def noted(slices: ExtractSlices) -> None:
        divide(slices)
        divided.set()

    monkeypatch.setattr(ExtractSlices, "divide", noted)
    know(ctx)
    store(ctx, "self", *CALLS, now=ctx.clock() - timedelta(1))
    with serving(ctx, serve_extract_seconds=0.1, serve_download_seconds=30 if fault == "connection" else 2) as api:
        with psycopg.connect(api.ctx.url, autocommit=True) as connection:
            with psycopg.connect(api.ctx.url) as locking:
                locking.execute("LOCK TABLE cdr_links IN ACCESS EXCLUSIVE MODE")
                response = request(api, {"parameters": YEAR})
                if fault == "connection":
                    waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    wait_for(lambda: connection.execute(waiting).fetchone() is not None)
                else:
                    assert divided.wait(60)
            extract = ended(api, response)
            assert connection.execute("SELECT attempts FROM extracts").fetchall() == [(1,)]
        assert (extract["state"], extract["rows"], extract["slices_done"]) == ("ready", 4, extract["slices"])


@pytest.mark.parametrize(
    ("parameters", "form"),
    [
        ({"created_from": "2026-03-02T09:00:00Z", "created_to": "2026-03-03T12:00:00Z"}, "csv"),
        ({"business_date": "2026-03-02", "ascending": "true"}, "json_lines"),
    ],
)
def test_a_day_with_too_many_rows_is_divided(
    shared: Served, parameters: dict[str, str], form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two of the calls end in the same second, so that their slice cannot be divided.
    starts = [STARTED + timedelta(seconds=seconds) for seconds in (0, 0, 1, 18_000)]
    store(shared.ctx, "sibling", *({"started_at": moment, "duration_seconds": "30"} for moment in starts), now=EARLIER)
    monkeypatch.setattr(making_extracts, "_MOST_SLICE_BYTES", 24)
    query = parameters | {"fields": "id"}
    accept = "csv" if form == "csv" else "ndjson"
    listed = shared.get("/v2/accounts/sibling/cdrs", "sibling", accept=accept, **query).content
    assert listed.count(b"call") == 4
    assert made(shared, "sibling", format=form, parameters=query) == listed


def test_an_account_has_a_bound_on_waiting_extracts(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracts, "MOST_WAITING", 2)
    know(ctx)
    with serving(ctx, serve_extract_seconds=0) as api:
        made = [request(api, {}, path=path) for path in (PATH, PATH, PATH)]
        assert [response.status_code for response in made] == [202, 202, 429]
        assert (made[2].json()["message"], made[2].headers["retry-after"]) == ("too_many_requests", "60")
        # A reseller's requests for its accounts share its bound.
        top = [
            request(api, {}, token=api.tokens["top"], path=f"/v2/accounts/{account}/extracts")
            for account in ("self", "child", "sibling")
        ]
        assert [response.status_code for response in top] == [202, 202, 429]


def test_the_bytes_of_an_accounts_files_are_bounded(ctx: RunContext) -> None:
    know(ctx)
    store(ctx, "self", *CALLS, now=ctx.clock() - timedelta(1))
    with serving(ctx, serve_extract_seconds=0.1, serve_extract_bytes=1024) as api:
        extract = ended(api, request(api, {"parameters": YEAR}))
        assert (extract["state"], extract["error"]["code"]) == ("failed", "extract_too_large")
        with psycopg.connect(api.ctx.url) as connection:
            connection.execute("UPDATE extracts SET state = 'ready', byte_count = 1024, expires_at = 'infinity'")
        full = request(api, {"parameters": YEAR})
        assert (full.status_code, full.json()["message"]) == (409, "extracts_full")


def test_a_workbook_with_too_many_rows_fails_with_a_way_out(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_lists, "MOST_SHEET_ROWS", 2)
    extract = ended(api, request(api, {"format": "xlsx", "parameters": YEAR}))
    assert extract["error"] == {
        "code": "extract_too_large",
        "message": "a workbook may have at most 2 rows",
        "hint": "request a shorter period, or another format",
    }


def test_a_file_expires_after_the_hours_of_the_setting(api: Served) -> None:
    response = request(api, {"parameters": YEAR})
    extract = ended(api, response)
    assert datetime.fromisoformat(extract["expires_at"]) == api.ctx.clock() + timedelta(hours=48)
    later = replace(api.ctx, clock=lambda: api.ctx.clock() + timedelta(hours=48))
    with listening(create_app(later)) as url:
        headers = {"X-Auth-Token": token_for(later, "self")}
        gone = httpx2.get(f"{url}{response.headers['location']}/file", headers=headers)
        assert (gone.status_code, gone.json()["message"]) == (410, "extract_gone")
    clear_extracts(later)
    assert list((api.ctx.settings.extract_dir / "self").iterdir()) == []
    assert api.get(response.headers["location"]).json()["data"]["state"] == "expired"
    clear_extracts(replace(api.ctx, clock=lambda: api.ctx.clock() + timedelta(days=8)))
    assert api.get(response.headers["location"]).status_code == 404


def test_erasing_a_number_deletes_the_files_that_show_it(api: Served) -> None:
    store(api.ctx, "child", {"caller_e164": "+12125550199", "caller_id_number": "+12125550199"})
    child = "/v2/accounts/child/extracts"
    shown = request(api, {"format": "json_lines", "parameters": YEAR}, token=api.tokens["child"], path=child)
    ended(api, shown, token=api.tokens["child"])
    asked = request(api, {"parameters": YEAR | {"to": "+12125550199"}})
    other = request(api, {"parameters": YEAR})
    ended(api, asked)
    ended(api, other)
    erase_number(EraseRequest("+12125550199", "A", "request 7"), api.ctx)
    gone = api.get(f"{shown.headers['location']}/file", "child")
    assert (gone.status_code, gone.json()["message"]) == (410, "extract_gone")
    for response, account in ((shown, "child"), (asked, "self")):
        state = api.get(response.headers["location"], account).json()["data"]
        assert (state["state"], state["parameters"], state["error"]["code"]) == ("withdrawn", {}, "extract_gone")
    assert list((api.ctx.settings.extract_dir / "child").iterdir()) == []
    assert api.get(other.headers["location"]).json()["data"]["state"] == "ready"


def test_files_that_no_extract_knows_are_deleted(api: Served) -> None:
    ended(api, request(api, {"parameters": YEAR}))
    folder = api.ctx.settings.extract_dir / "self"
    (kept,) = folder.iterdir()
    for name in ("0123.4567.csv", ".0123.4567.csv.89ab.part"):
        (folder / name).write_bytes(b"rows")
    clear_strays(api.ctx)
    assert list(folder.iterdir()) == [kept]


def test_an_extract_that_kills_its_process_again_and_again_fails(ctx: RunContext) -> None:
    know(ctx)
    with serving(ctx, serve_extract_seconds=0) as api:
        response = request(api, {})
        for _ in range(5):
            assert claim_extract(api.ctx) is not None
            assert claim_extract(api.ctx) is None
            end_claims(api.ctx)
    with serving(ctx, serve_extract_seconds=0.1) as api:
        extract = ended(api, response)
        assert (extract["state"], extract["error"]["code"]) == ("failed", "extract_abandoned")


def test_long_extracts_of_others_do_not_hold_up_a_short_one(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_maker, "_AT_A_TIME", 1)
    long = request(api, {"parameters": YEAR}, token=api.tokens["top"])
    short = ended(api, request(api, {"parameters": {"business_date": "2026-03-02"}}))
    assert short["state"] == "ready"
    assert ended(api, long, token=api.tokens["top"])["state"] == "ready"


def end_claims(ctx: RunContext) -> None:
    """As if the processes that make extracts had been dead for longer than their claims."""
    with psycopg.connect(ctx.url, autocommit=True) as connection:
        connection.execute("UPDATE extracts SET claimed_until = clock_timestamp() WHERE claim IS NOT NULL")


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
