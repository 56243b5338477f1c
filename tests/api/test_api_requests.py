"""Attacks on what is asked: cursors, filters, paging, times, names, headers, methods, sizes."""

import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from cdr_pipeline.api import protocol
from cdr_pipeline.api.bodies import _SMALL
from cdr_pipeline.api.parameters import ListQuery, documented
from cdr_pipeline.api.refusals import invalid_request
from cdr_pipeline.api.routes import cdrs
from cdr_pipeline.core.fields.dictionary import FIELDS
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.exports.delivery.targets import load_targets
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import PERIOD, STARTED, Served, logged, serving, store, token_for

LIST = "/v2/accounts/self/cdrs"


def fault(api: Served, field: str, /, **query: str | list[str]) -> dict[str, object]:
    """What a 400 says of a field."""
    answer = api.get(LIST, **(PERIOD | query))
    assert answer.status_code == 400, answer.text
    assert answer.json()["status"] == "error"
    return answer.json()["data"][field]


# --- E08 cursors ------------------------------------------------------------------------------------------------------


@pytest.mark.fault("E08")
def test_a_key_of_a_page_is_good_for_its_own_search_only(api: Served) -> None:
    first = api.get(LIST, page_size="1", **PERIOD).json()
    key = first["next_start_key"]
    assert api.get(LIST, page_size="1", start_key=key, **PERIOD).status_code == 200
    assert api.get(LIST, page_size="1", start_key=key, cause="NO_ANSWER", **PERIOD).status_code == 400
    assert api.get(LIST, page_size="1", start_key=key).status_code == 400
    other = api.get("/v2/accounts/child/cdrs", page_size="1", start_key=key, **PERIOD)
    assert (other.status_code, other.json()["message"]) == (400, "bad_cursor")
    assert "data" not in json.dumps(other.json()["data"]).replace('"start_key"', "")


@pytest.mark.fault("E08")
@pytest.mark.parametrize("change", ["first", "last", "empty", "letters", "long", "unicode", "switch"])
def test_a_forged_key_is_refused(api: Served, change: str) -> None:
    key = api.get(LIST, page_size="1", **PERIOD).json()["next_start_key"]
    forged = {
        "first": ("A" if key[0] != "A" else "B") + key[1:],
        "last": key[:-4] + "AAAA",
        "empty": "",
        "letters": "not a key",
        "long": key * 60,
        "unicode": "ключ",
        "switch": "g2wAAAACbgUAvn1W1A5tAAAACDk4MDE2ODAwag",
    }[change]
    answer = api.get(LIST, page_size="1", start_key=forged, **PERIOD)
    assert (answer.status_code, answer.json()["message"]) == (400, "bad_cursor")


# --- E09, E10 filters -------------------------------------------------------------------------------------------------


@pytest.mark.fault("E09")
@pytest.mark.parametrize(
    "value",
    ["' OR 1=1--", "'; DROP TABLE cdr;--", "%(bound_0)s", "{conditions}", "$1", "\\", "\u202e", "[1", "[null]", "["],
)
def test_a_value_is_only_ever_a_value(api: Served, value: str) -> None:
    for name in ("filter_hangup_cause", "filter_custom_channel_vars.x", "customer", "cause"):
        answer = api.get(LIST, **{name: value}, **PERIOD)
        assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.fault("E09")
@pytest.mark.parametrize(
    "name",
    [
        "filter_a;drop", "filter_caller_id_number[$ne]", "filter_" + ".".join("a" * 100), "filter_", "filter_not_",
        "filter_owner_id", "filter_direction", "filter_row_digest", "filter_extra", "filter_custom_channel_vars",
        "filter_custom_channel_vars.pvt_cost", "filter_custom_channel_vars.a.b", "filter_\x00",
    ],
)  # fmt: skip
def test_a_key_that_no_document_has_is_an_error(api: Served, name: str) -> None:
    assert api.get(LIST, **{name: "x"}, **PERIOD).status_code == 400


@pytest.mark.fault("E09")
def test_nul_too_many_and_too_long_are_errors(api: Served) -> None:
    assert "NUL" in str(fault(api, "cause", cause="a\x00b"))
    assert "characters" in str(fault(api, "cause", cause="a" * 2_000))
    assert "100 parameters" in str(fault(api, "query", cause=["x"] * 120))


@pytest.mark.fault("E09")
def test_values_of_all_filters_are_bounded_together(api: Served) -> None:
    def refused(filters: int, values: int) -> bool:
        listed = json.dumps([str(number) for number in range(values)])
        keys = ["hangup_cause", "call_id", "caller_id_number", "call_direction"][:filters]
        answer = api.get(LIST, **{f"filter_{key}": listed for key in keys}, **PERIOD)
        return answer.status_code == 400 and "500 values in all filters" in answer.text

    assert not refused(1, 500)
    assert refused(1, 501)
    assert refused(4, 126)
    assert not refused(4, 125)


@pytest.mark.fault("E10")
@pytest.mark.parametrize(
    "key", ["__class__", "extra.__proto__", "digest", "row_digest", "api_tokens.digest", "pvt_cost", "constructor", ""]
)
@pytest.mark.parametrize("name", ["has_key", "key_missing", "has_value", "value_missing"])
def test_only_keys_of_the_document_can_be_asked_for(api: Served, name: str, key: str) -> None:
    assert "no such key" in str(fault(api, name, **{name: key}))


@pytest.mark.fault("E10")
def test_every_key_of_the_seed_can_be_asked_for(api: Served) -> None:
    for field in FIELDS:
        if field.seed:
            assert api.get(LIST, has_key=field.seed, **PERIOD).status_code == 200


# --- E11, E12 paging and times ----------------------------------------------------------------------------------------


@pytest.mark.fault("E11")
@pytest.mark.parametrize("size", ["0", "-1", "1000000000", "abc", "50.0", "", "\uff11\uff10", " 5", "1e3"])
def test_a_page_size_that_is_none_says_the_rule(api: Served, size: str) -> None:
    assert str(cdrs.LARGEST_PAGE) in str(fault(api, "page_size", page_size=size))


@pytest.mark.fault("E11")
@pytest.mark.parametrize("name", ["paginate", "ascending", "descending"])
def test_flags_are_true_or_false(api: Served, name: str) -> None:
    assert "true, false" in str(fault(api, name, **{name: "yes"}))


@pytest.mark.fault("E12")
@pytest.mark.parametrize(
    "moment",
    [
        "abc", "9" * 400, "1",
        "0", "-5", "62167219199", "2026-03-02", "2026-03-02T10:00:00", " 63939663060", "63939663060 ",
        "+63939663060", "", "٦٣٩٣٩٦٦٣٠٦٠", "99999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "1772443860.5",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["created_from", "created_to", "modified_from", "started_to"])
def test_a_time_that_is_in_no_known_notation_is_never_guessed(api: Served, name: str, moment: str) -> None:
    assert "ISO 8601" in str(fault(api, name, **{name: moment}))


@pytest.mark.fault("E12")
def test_a_reversed_or_too_long_period_is_refused_in_each_versions_shape(api: Served) -> None:
    reversed_period = {"created_from": "63940000000", "created_to": "63939000000"}
    long_period = {"created_from": "63939000000", "created_to": str(63939000000 + 2_682_001)}
    limit = {"created_from": "63939000000", "created_to": str(63939000000 + 2_682_000)}
    v2 = api.get(LIST, **long_period).json()
    assert (v2["error"], v2["message"]) == ("400", "validation error")
    assert v2["data"]["created_from"]["date_range"] == {
        "message": "created_to 63941682001 is more than 2682000 seconds from created_from 63939000000",
        "cause": 63941682001,
    }
    v1 = api.get("/v1/accounts/self/cdrs", **reversed_period)
    assert v1.status_code == 400
    assert v1.json()["data"] == {
        "created_from": {"date_range": "created_to 63939000000 is prior to created_from 63940000000"}
    }
    assert api.get(LIST, **limit).status_code == 200
    # With only its beginning, a period lasts until now: here more than a month.
    assert api.get(LIST, created_from="63935000000").status_code == 400


def test_a_parameter_that_is_meant_once_must_be_given_once(api: Served) -> None:
    assert "once" in str(fault(api, "page_size", page_size=["1", "2"]))


@pytest.mark.fault("E13")
@pytest.mark.parametrize("value", ["%", "_", "%%", "__", "a" * 1_000 + "!", "(a+)+$", "\\\\"])
def test_wildcards_and_patterns_are_text(api: Served, value: str) -> None:
    begun = time.monotonic()
    answer = api.get(LIST, search=value * (2 if len(value) == 1 else 1), **PERIOD)
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert time.monotonic() - begun < 10


# --- E14 to E17 names, methods, forms ---------------------------------------------------------------------------------


@pytest.mark.fault("E14")
@pytest.mark.parametrize("name", ['a"; x="b', "a\r\nX-Evil: 1", "../../etc/passwd", "ж" * 50, "a" * 500, ".", ""])
def test_a_file_name_cannot_break_out_of_its_header(api: Served, name: str) -> None:
    answer = api.get(LIST, file_name=name, headers={"Accept": "text/csv"}, **PERIOD)
    assert answer.status_code == 200
    assert "x-evil" not in answer.headers
    stated = answer.headers["content-disposition"]
    assert stated.startswith('attachment; filename="')
    assert stated.count('"') == 2
    assert ".." not in stated
    assert "/" not in stated


@pytest.mark.fault("E14")
def test_a_request_id_is_echoed_only_where_it_is_harmless(api: Served) -> None:
    assert api.get("/healthz", headers={"X-Request-ID": "my-id.1"}).headers["x-request-id"] == "my-id.1"
    assert api.get("/healthz", headers={"X-Request-ID": "<b>x</b>"}).headers["x-request-id"] != "<b>x</b>"


@pytest.mark.fault("E15")
@pytest.mark.parametrize(
    "file_id",
    ["../secret", "..%2f..%2fetc%2fpasswd", "%252e%252e", "2026-03-02_v1_exact%00", "2026-02-30_v1_exact", "//", "a\\b",
     "2026-03-02_v1_exact"],
)  # fmt: skip
def test_files_are_found_by_their_id_on_record_never_by_a_path(api: Served, file_id: str) -> None:
    assert api.get(f"/v2/accounts/self/exports/{file_id}").status_code == 404


@pytest.mark.fault("E16")
def test_a_get_stays_a_get_and_other_methods_are_refused(api: Served) -> None:
    with api.client(api.tokens["self"], **{"X-HTTP-Method-Override": "DELETE"}) as client:
        assert client.get("/v2/token_auth").status_code == 200
        assert client.get("/v2/token_auth", params={"verb": "DELETE"}).status_code in (200, 400)
        assert client.get("/v2/token_auth").status_code == 200
        for method in ("DELETE", "PATCH"):
            refused = client.request(method, LIST)
            assert (refused.status_code, refused.json()["message"]) == (405, "invalid_method")
            assert refused.headers["allow"] == "GET, HEAD, OPTIONS, POST, PUT"


@pytest.mark.fault("E17")
@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/x-json", "application/json"),
        ("text/csv", "text/csv"),
        ("application/octet-stream", "application/octet-stream"),
        ("text/comma-separated-values", "text/comma-separated-values"),
        ("application/csv", "application/csv"),
        ("text/*", "text/csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("application/json;q=0.1, text/csv;q=0.9", "text/csv"),
        ("text/csv;header=absent", "text/csv"),
        ("application/json;q=0, text/csv", "text/csv"),
    ],
)
def test_the_form_is_the_best_that_the_client_takes(api: Served, accept: str | None, media: str) -> None:
    answer = api.get(LIST, headers={} if accept is None else {"Accept": accept}, **PERIOD)
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == media
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.fault("E17")
@pytest.mark.parametrize(
    "accept", ["image/png", "text/html", "application/json;q=0", "text/csv;q=abc", ",", "application/xml"]
)
def test_nothing_that_the_client_takes_is_406_with_a_body(api: Served, accept: str) -> None:
    answer = api.get(LIST, headers={"Accept": accept}, **PERIOD)
    assert (answer.status_code, answer.json()["message"]) == (406, "not_acceptable")


@pytest.mark.fault("E17")
def test_the_switchs_parameter_accept_counts_where_the_header_admits_json(api: Served) -> None:
    for short in ("csv", "text/csv"):
        assert api.get(LIST, accept=short, **PERIOD).headers["content-type"].startswith("text/csv")
    assert api.get(LIST, accept="xml", **PERIOD).status_code == 406


# --- E18 to E22 -------------------------------------------------------------------------------------------------------


@pytest.mark.fault("E18")
def test_long_urls_headers_and_bodies_are_refused_and_the_server_lives(api: Served) -> None:
    with api.client(api.tokens["self"]) as client:
        assert client.get(LIST, params={"search": "x" * 17_000}).status_code == 414
        assert client.get(LIST, headers={"X-Long": "y" * 33_000}).status_code == 431
        assert client.put("/v2/api_auth", json={"data": {"api_key": "k" * _SMALL}}).status_code == 413
    with api.client(token_for(api.ctx, "self", "upload")) as client:
        big = client.post(LIST, content=b"x" * 100_001, headers={"Content-Type": "text/csv"})
        assert (big.status_code, big.json()["message"]) == (413, "request_too_large")
        endless = client.post(LIST, content=(b"x" * 1_000 for _ in range(200)), headers={"Content-Type": "text/csv"})
        assert endless.status_code == 413
    assert api.get("/healthz").status_code == 200


@pytest.mark.fault("E18")
def test_endless_headers_are_cut_off(api: Served) -> None:
    with _connected(api) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(OSError):  # noqa: PT011, PT012 - whichever way the peer says so
            for _ in range(200):
                raw.sendall(b"X-Junk: " + b"z" * 1_000 + b"\r\n")
                time.sleep(0.001)
            assert raw.recv(4_096).startswith(b"HTTP/1.1 431")
            raise ConnectionResetError
    assert api.get("/healthz").status_code == 200


@pytest.mark.fault("E19")
def test_sockets_that_say_nothing_are_closed_and_keep_nobody_out(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_SECONDS", 1.0)
    with serving(ctx) as api, ExitStack() as stack:
        silent = [stack.enter_context(_connected(api)) for _ in range(200)]
        for raw in silent[:100]:
            raw.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert api.get("/healthz").status_code == 200
        for raw in silent:
            raw.settimeout(20)
            assert raw.recv(1) == b""


@pytest.mark.fault("E20")
@pytest.mark.parametrize(
    "request_text",
    [
        b"POST /v2/api_auth HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
        b"GET /v2 HTTP/9.9\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_ambiguous_requests_are_refused_and_the_connection_is_closed(api: Served, request_text: bytes) -> None:
    with _connected(api) as raw:
        raw.sendall(request_text)
        answer = b""
        while chunk := raw.recv(4_096):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.fault("E20")
def test_the_host_header_routes_nothing(api: Served) -> None:
    answer = api.get("/v2/accounts/self/cdrs/", headers={"Host": "evil.example"})
    assert "location" not in answer.headers
    assert answer.status_code == 404


@pytest.mark.fault("E21")
def test_no_origin_is_invited_and_no_cookie_counts(api: Served) -> None:
    answer = api.get(LIST, headers={"Origin": "https://evil.example"}, **PERIOD)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    with api.client(Cookie=f"auth_token={api.tokens['self']}") as client:
        assert client.get(LIST).status_code == 401


@pytest.mark.fault("E22")
def test_a_fault_of_ours_says_its_id_and_nothing_else(
    api: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("SELECT secret FROM /srv/place")

    monkeypatch.setattr(cdrs, "parameters_of", broken)
    answer = api.get(LIST, headers={"X-Request-ID": "find-me"}, **PERIOD)
    assert answer.status_code == 500
    body = answer.json()
    assert (body["error"], body["message"], body["request_id"]) == ("500", "unspecified_fault", "find-me")
    assert "SELECT" not in answer.text
    assert "Traceback" not in answer.text
    logged(caplog, "find-me")


@pytest.mark.fault("E23")
def test_a_get_changes_nothing(api: Served) -> None:
    tables = ("cdr", "cdr_history", "batches", "uploads", "rejects", "days", "api_tokens", "api_answers", "accounts")

    def state() -> list[object]:
        with api.ctx.ledger() as ledger:
            return [
                ledger.connection.execute(
                    f"SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t"
                ).fetchone()
                for table in tables
            ]  # fmt: skip

    api.get(LIST, **PERIOD)
    before = state()
    for path in ("", "/cdrs", "/cdrs/202603-call1", "/cdrs/summary", "/uploads", "/exports", "/days"):
        assert api.get(f"/v2/accounts/self{path}").status_code == 200
    assert state() == before


@pytest.mark.fault("E25")
def test_no_request_sends_the_server_anywhere(ctx: RunContext) -> None:
    known = {path.name for path in ctx.settings.data_dir.iterdir()} if ctx.settings.data_dir.exists() else set[str]()
    with socket.create_server(("127.0.0.1", 0)) as inside, serving(ctx) as api:
        inside.setblocking(False)
        place = f"http://127.0.0.1:{inside.getsockname()[1]}/latest/meta-data"
        for name in ("base_url", "api_url", "target", "url", "webhook_url", "callback", "proxy", "file"):
            assert fault(api, name, **{name: place})
        headers = {
            "X-Auth-Token": token_for(ctx, "self", "admin"), "Content-Type": "application/json",
            "X-Forwarded-Host": place, "Referer": place, "Origin": place,
        }  # fmt: skip
        row = {
            "id": "202603-e25", "call_id": "e25", "timestamp": "63939663000", "duration_seconds": 1,
            "recording_url": place, "delivery_target": place, "base_url": "file:///etc/passwd",
        }  # fmt: skip
        with api.client() as client:
            answer = client.post(LIST, content=json.dumps([row]), headers=headers, params={"profile": "kazoo_json"})
            assert answer.is_success, answer.text
            stored = client.get(f"{LIST}/kazoo_json:id:202603-e25", headers={"X-Auth-Token": headers["X-Auth-Token"]})
        assert stored.json()["data"]["recording_url"] == place
        with pytest.raises(BlockingIOError):
            inside.accept()
    # Where files are delivered to is a file of the operator's, which no request writes.
    assert not ctx.settings.targets_file.exists() or ctx.settings.targets_file.name in known


@pytest.mark.fault("E25")
@pytest.mark.parametrize("url", ["http://169.254.169.254/", "file:///etc", "ftp://127.0.0.1/", "gopher://127.0.0.1/"])
def test_files_are_delivered_by_known_schemes_only(tmp_path: Path, url: str) -> None:
    (tmp_path / "targets.toml").write_text(f'[inside]\nurl = "{url}"\n', "utf-8")
    with pytest.raises(ConfigurationError, match="url must begin with sftp://, s3:// or /"):
        load_targets(tmp_path / "targets.toml")


@pytest.mark.fault("E26")
def test_a_download_is_an_attachment_without_sniffing_or_caching(api: Served) -> None:
    answer = api.get(LIST, headers={"Accept": "application/octet-stream"}, **PERIOD)
    assert answer.headers["content-disposition"] == 'attachment; filename="cdrs.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.fault("E29")
def test_the_documents_hold_no_secret_and_can_be_switched_off(api: Served, ctx: RunContext) -> None:
    schema = api.get("/openapi.json")
    assert schema.status_code == 200
    assert api.tokens["self"] not in schema.text
    assert api.get("/docs").status_code == 200
    with serving(ctx, serve_docs=False) as closed:
        assert closed.get("/openapi.json").status_code == 404
        assert closed.get("/docs").status_code == 404


@pytest.mark.fault("F06")
def test_figures_have_labels_from_closed_lists(api: Served) -> None:
    api.get("/v2/accounts/self/cdrs/202603-call1")
    api.get("/v2/accounts/4930123456/secretpath")
    text = api.get("/metrics").text
    assert 'route="/accounts/{account_id}/cdrs/{cdr_id:path}"' in text or "cdr_id:path" in text
    assert "202603" not in text
    assert "4930123456" not in text
    assert "secretpath" not in text


def _connected(api: Served) -> socket.socket:
    port = int(api.url.rpartition(":")[2])
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    raw.settimeout(30)
    return raw


def _require_answers(api: Served) -> None:
    """A busy machine may exceed a short time limit now and then."""
    deadline = time.monotonic() + 60
    while (code := api.get(LIST, **PERIOD).status_code) != 200 and time.monotonic() < deadline:
        assert code == 504
    assert code == 200


def test_504_and_503_are_reachable_and_the_service_recovers(ctx: RunContext) -> None:
    with serving(ctx, serve_search_seconds=0.3, serve_connections=2) as api:
        store(ctx, "self", {"started_at": STARTED})
        _require_answers(api)
        # A lock on the records makes a search wait longer than it may.
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with ctx.ledger() as ledger, ledger.connection.transaction():
                ledger.connection.execute("LOCK TABLE cdr IN ACCESS EXCLUSIVE MODE")
                held.set()
                done.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)
        late = api.get(LIST, **PERIOD)
        done.set()
        thread.join()
        assert (late.status_code, late.json()["message"]) == (504, "warehouse_timeout")
        _require_answers(api)
        # Every connection of the pool is broken, as after a restart.
        with ctx.ledger() as ledger:
            ledger.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'cdr_pipeline api' AND datname = current_database()"
            )
        codes = []
        deadline = time.monotonic() + 30
        while 200 not in codes and time.monotonic() < deadline:
            answer = api.get(LIST, **PERIOD)
            codes.append(answer.status_code)
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) > 0
        assert codes[-1] == 200
        assert set(codes) <= {200, 503, 504}


def test_an_invalid_parameter_is_400_with_its_name_and_without_its_value() -> None:
    refused = invalid_request(
        [{"loc": ("query", "page"), "type": "int_parsing", "msg": "not a number", "input": "CANARY"}]
    )
    assert (refused.status, refused.data) == (400, {"page": {"int_parsing": {"message": "not a number"}}})


def test_an_invalid_id_in_the_path_is_404() -> None:
    refused = invalid_request([{"loc": ("path", "account_id"), "type": "string_too_long", "msg": "too long"}])
    assert (refused.status, refused.title) == (404, "bad_identifier")


def test_the_document_states_the_parameters_of_the_models() -> None:
    stated = {item["name"]: item for item in documented(ListQuery)}
    assert list(stated) == list(ListQuery.model_fields)
    assert stated["paginate"]["schema"] == {"type": "string", "enum": ["true", "false"]}
    assert all(item["description"] and item["example"] for item in stated.values())


def test_unknown_parameters_are_ignored_by_setting_and_named_in_a_header(ctx: RunContext) -> None:
    with serving(ctx, serve_unknown_parameters="ignore") as api:
        for path in ("cdrs", "cdrs/summary", "days", "uploads"):
            answer = api.get(f"/v2/accounts/self/{path}", owner_typo="x", _="1")
            assert (answer.status_code, answer.headers.get("X-Ignored-Parameters")) == (200, "owner_typo"), path
        assert api.get("/v2/accounts/self/cdrs", filter_unknown_key="x").status_code == 400


def test_offers_of_http_2_are_ignored(api: Served, caplog: pytest.LogCaptureFixture) -> None:
    # As the client in Java's library sends it with each request of a new connection.
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAAB"}
    with api.client(api.tokens["self"], **offer) as client:
        for _ in range(2):
            assert client.get(LIST, params=PERIOD).status_code == 200
            login = client.put("/v2/api_auth", json={"data": {"api_key": api.tokens["self"]}})
            assert login.status_code == 201
    assert [record.name for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_integers_of_the_document_have_64_bits_unless_they_are_small(api: Served) -> None:
    document = api.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["RecordDocument"]["properties"]["timestamp"]["format"] == "int64"
    assert schemas["Changes"]["properties"]["newest"]["format"] == "int64"
    new_token = document["paths"]["/v2/accounts/{account_id}/tokens"]["put"]["requestBody"]["content"]
    days = new_token["application/json"]["schema"]["properties"]["data"]["properties"]["days"]
    assert (days["maximum"], "format" in days) == (3_650, False)


def test_parameters_of_kazoos_clients_are_known(api: Served) -> None:
    for name, value in (("chunk_size", "10"), ("pretty_print", "true"), ("is_chunked", "false"), ("_", "17")):
        assert api.get(LIST, **{name: value}).status_code == 200, name
    assert api.get(LIST, chunk_size="51").status_code == 400
    refused = api.get(LIST, utc_offset="Berlin")
    assert (refused.status_code, refused.json()["message"]) == (404, "utc_offset must be a number")


def test_any_and_none_of_a_list_are_filters(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", *({"hangup_cause": cause} for cause in ("NO_ANSWER", "USER_BUSY", "NORMAL_CLEARING")))
        causes = '["NO_ANSWER","USER_BUSY"]'
        for name, count in (("filter_any_hangup_cause", 2), ("filter_none_hangup_cause", 1)):
            assert len(api.get(LIST, **{name: causes}, **PERIOD).json()["data"]) == count


def test_the_tree_shows_accounts_above_as_far_as_the_token_reaches(api: Served) -> None:
    above = [{"id": "top", "name": "name of top"}, {"id": "self", "name": "name of self"}]
    assert api.get("/v2/accounts/child/tree", "top").json()["data"] == above
    assert api.get("/v2/accounts/child/tree", "self").json()["data"] == above[1:]
    assert api.get("/v2/accounts/child/tree", "child").json()["data"] == []


def test_lists_in_documents_are_filtered_by_what_they_share(ctx: RunContext) -> None:
    """``filter_array_intersect_*``, for keys without a column and for the recordings, which have one."""
    with serving(ctx) as api:
        names = ({"media_names": ["a", "b"]}, {"media_names": ["b"]}, {"media_names": "a"}, {})
        store(
            ctx,
            "self",
            *({"extra_source": json.dumps({"custom_channel_vars": item})} for item in names),
            {"media_recordings": '["a","b"]'},
        )
        for key, counts in (("media_names", (1, 2, 3)), ("media_recordings", (1, 1, 4))):
            for share, count in zip(("all", "any", "none"), counts, strict=True):
                asked = {f"filter_array_intersect_{share}_custom_channel_vars.{key}": '["a","b"]'}
                assert len(api.get(LIST, **asked, **PERIOD).json()["data"]) == count, (key, share)


def test_a_list_has_only_the_columns_that_were_asked_for(api: Served) -> None:
    for more in ({}, {"paginate": "false"}):
        rows = api.get(LIST, fields="call_id, id", **more, **PERIOD).json()["data"]
        assert rows
        assert all(list(row) == ["id", "call_id"] for row in rows)
    text = api.get(LIST, fields='["id"]', headers={"Accept": "text/csv"}, **PERIOD).text
    assert text.splitlines()[0] == "id"
    assert api.get(LIST, fields="id,pvt_cost", **PERIOD).status_code == 400


def test_a_list_is_also_given_as_json_lines(api: Served) -> None:
    answer = api.get(LIST, headers={"Accept": "application/x-ndjson"}, **PERIOD)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert rows == api.get(LIST, paginate="false", **PERIOD).json()["data"] != []
    assert api.get("/v2/accounts/self/days", headers={"Accept": "application/x-ndjson"}).status_code == 406
