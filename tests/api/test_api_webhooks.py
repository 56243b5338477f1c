"""Webhooks: signed changes of an account arrive at least once and in order, and failures are kept and repeated."""

import base64
import hashlib
import hmac
import json
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx2
import psycopg
import pytest
import trustme
from pydantic import SecretStr

from cdr_pipeline.steps.accounts import webhook_receiver
from cdr_pipeline.steps.accounts.send_webhooks import DEAD_IN_A_ROW, PAUSES, SentWebhooks, send_webhooks
from cdr_pipeline.steps.accounts.webhook_receiver import Message, Receiver, signatures
from cdr_pipeline.steps.accounts.webhooks import WebhookRequest, register_webhook, replay_webhook
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.webhooks import Webhook
from tests.support.commands import run_command
from tests.support.console import DAY
from tests.support.served_processes import served_processes, wait_until
from tests.support.serving import Served, know, serving, token_for

PATH = "/v2/accounts/self/webhooks"
LOOPBACK = "127.0.0.0/8"


@dataclass
class Receiving:
    """A receiver: its address, what arrived, and the statuses of its next responses (200 when there are none).

    It responds while ``responds`` is set.
    """

    url: str = ""
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])
    statuses: list[int] = field(default_factory=list[int])
    responds: threading.Event = field(default_factory=threading.Event)

    def changes(self) -> list[int]:
        return [json.loads(body)["change"] for _, body in self.messages]


@contextmanager
def receiving(certificate: trustme.LeafCert | None = None) -> Generator[Receiving]:
    """A receiver on a free loopback port while the block runs; over TLS with a certificate."""
    state = Receiving()
    state.responds.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.messages.append(({name.lower(): value for name, value in self.headers.items()}, body))
            state.responds.wait(60)
            with suppress(OSError):
                self.send_response(state.statuses.pop(0) if state.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_request(self, code: object = "-", size: object = "-") -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/hook?key=secret-of-the-receiver"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        state.url = f"https://localhost:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Time:
    """A clock that tests move."""

    now: datetime = datetime(2026, 3, 3, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hours() -> Time:
    return Time()


@pytest.fixture
def allowed(ctx: RunContext, hours: Time) -> RunContext:
    """A context that may send to loopback, with a clock that the test moves."""
    know(ctx)
    return replace(with_loopback(ctx), clock=hours)


def with_loopback(ctx: RunContext) -> RunContext:
    return replace(ctx, settings=ctx.settings.model_copy(update={"webhook_networks": LOOPBACK}))


def change(ctx: RunContext, kind: Any = "records", count: int = 1) -> None:
    with ctx.ledger() as ledger:
        for _ in range(count):
            ledger.changes.add("self", kind, [DAY], now=ctx.clock())


def hook_of(ctx: RunContext, hook: Webhook) -> Webhook:
    with ctx.ledger() as ledger:
        return ledger.webhooks.webhooks(webhook_id=hook.webhook_id)[0]


def call(api: Served, token: str, method: str, path: str = "", data: dict[str, Any] | None = None) -> httpx2.Response:
    with api.client(token) as client:
        return client.request(method, PATH + path, json=None if data is None else {"data": data})


def test_a_running_server_sends_signed_changes_in_order(ctx: RunContext) -> None:
    know(ctx)
    with receiving() as receiver, serving(ctx, webhook_networks=LOOPBACK, webhook_seconds=0.2) as api:
        admin = token_for(ctx, "self", "admin")
        made = call(api, admin, "PUT", data={"url": receiver.url, "kinds": ["records", "sealed"]})
        assert made.status_code == 201
        hook = made.json()["data"]
        change(ctx, count=3)
        change(ctx, "decided")
        change(ctx, "sealed")
        deadline = time.monotonic() + 20
        while len(receiver.messages) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert receiver.changes() == [1, 2, 3, 5]
        for headers, body in receiver.messages:
            assert headers["webhook-signature"] == signature(hook["secret"], headers, body)
            assert int(headers["webhook-timestamp"]) == int(ctx.clock().timestamp())
            assert json.loads(body)["account_id"] == "self"
        assert len({headers["webhook-id"] for headers, _ in receiver.messages}) == 4
        shown = call(api, admin, "GET", f"/{hook['webhook_id']}").json()["data"]
        assert (shown["state"], shown["position"], shown["dead_letters"]) == ("working", 5, 0)
        assert hook["secret"] not in call(api, admin, "GET").text
        assert call(api, admin, "DELETE", f"/{hook['webhook_id']}").status_code == 200
        assert call(api, admin, "GET").json()["data"] == []
        assert call(api, admin, "DELETE", f"/{hook['webhook_id']}").status_code == 404


@pytest.mark.slow
def test_another_worker_sends_what_a_killed_one_did_not_finish(ctx: RunContext, tmp_path: Path) -> None:
    know(ctx)
    with receiving() as receiver:
        hook = register_webhook(WebhookRequest("self", receiver.url), with_loopback(ctx))
        change(ctx, count=3)
        receiver.responds.clear()
        with served_processes(ctx, tmp_path, CDR_WEBHOOK_NETWORKS=LOOPBACK, CDR_WEBHOOK_SECONDS="0.2") as server:
            wait_until(lambda: len(receiver.messages) == 1, 60)
            server.kill_workers()
            # The receiver has the first change, and its response reached no process: nothing is recorded as sent.
            unsent = hook_of(ctx, hook)
            assert (unsent.position, unsent.attempts, receiver.changes()) == (0, 0, [1])
            receiver.responds.set()
            # The claim of the killed worker ends after a minute.
            with psycopg.connect(ctx.url, autocommit=True) as connection:
                connection.execute("UPDATE webhooks SET claimed_until = clock_timestamp() WHERE claim IS NOT NULL")
            wait_until(lambda: hook_of(ctx, hook).position == 3, 60)
        assert receiver.changes() == [1, 1, 2, 3]
        (first, body), (again, same) = receiver.messages[:2]
        assert (first["webhook-id"], body) == (again["webhook-id"], same)
        for headers, content in receiver.messages:
            assert headers["webhook-signature"] == signature(hook.secret, headers, content)
        sent = hook_of(ctx, hook)
        assert (sent.attempts, sent.dead_letters) == (0, 0)


def signature(secret: str, headers: dict[str, str], body: bytes) -> str:
    """The signature that a receiver expects."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def test_the_library_of_standard_webhooks_verifies_the_signature() -> None:
    webhooks = pytest.importorskip("standardwebhooks", reason="standardwebhooks (PyPI) is not installed")
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    headers = signatures(Message("id.1", b'{"change":1}'), [secret], datetime.now(UTC))
    assert webhooks.Webhook(secret).verify(b'{"change":1}', headers) == {"change": 1}
    with pytest.raises(webhooks.WebhookVerificationError):
        webhooks.Webhook(secret).verify(b'{"change":2}', headers)


def test_a_change_is_repeated_with_growing_pauses_and_later_ones_wait(allowed: RunContext, hours: Time) -> None:
    with receiving() as receiver:
        hook = register_webhook(WebhookRequest("self", receiver.url), allowed)
        change(allowed, count=2)
        receiver.statuses = [500, 503]
        assert send_webhooks(allowed).failed == 1
        assert send_webhooks(allowed) == SentWebhooks()
        hours.now += timedelta(seconds=PAUSES[0])
        assert send_webhooks(allowed).failed == 1
        hours.now += timedelta(seconds=PAUSES[0])
        assert send_webhooks(allowed) == SentWebhooks()
        hours.now += timedelta(seconds=PAUSES[1])
        assert send_webhooks(allowed) == SentWebhooks(accepted=2)
        assert receiver.changes() == [1, 1, 1, 2]
        # A receiver recognizes repetitions by their id; each attempt has its own time.
        first, second, *_ = (headers for headers, _ in receiver.messages)
        assert first["webhook-id"] == second["webhook-id"]
        assert first["webhook-timestamp"] != second["webhook-timestamp"]
        assert hook_of(allowed, hook).error is None


def test_dead_letters_are_kept_stop_the_webhook_and_are_replayed(allowed: RunContext, hours: Time) -> None:
    with receiving() as receiver:
        hook = register_webhook(WebhookRequest("self", receiver.url), allowed)
        change(allowed, count=DEAD_IN_A_ROW + 1)
        receiver.statuses = [500] * (DEAD_IN_A_ROW * (len(PAUSES) + 1))
        for _ in range(len(receiver.statuses)):
            assert send_webhooks(allowed).failed == 1
            hours.now += timedelta(seconds=max(PAUSES))
        assert send_webhooks(allowed) == SentWebhooks()
        stopped = hook_of(allowed, hook)
        assert (stopped.dead_letters, stopped.position, stopped.stopped_at is None) == (3, 3, False)
        with serving(allowed, webhook_seconds=0) as api:
            admin = token_for(allowed, "self", "admin")
            assert call(api, admin, "GET", f"/{hook.webhook_id}").json()["data"]["state"] == "stopped"
            dead = call(api, admin, "GET", f"/{hook.webhook_id}/dead_letters").json()["data"]
            assert [(letter["change"], letter["attempts"]) for letter in dead] == [(1, 10), (2, 10), (3, 10)]
            receiver.messages.clear()
            assert call(api, admin, "PUT", f"/{hook.webhook_id}/replay", {}).status_code == 200
            assert send_webhooks(allowed) == SentWebhooks(accepted=4)
            assert receiver.changes() == [1, 2, 3, 4]
            assert call(api, admin, "PUT", f"/{hook.webhook_id}/replay", {"after": 2}).status_code == 200
            assert send_webhooks(allowed) == SentWebhooks(accepted=2)
            assert receiver.changes()[4:] == [3, 4]
            assert call(api, admin, "GET", f"/{hook.webhook_id}").json()["data"]["state"] == "working"


def _problems(ctx: RunContext) -> list[tuple[str, str]]:
    """Code and command of the problems of webhooks."""
    found = find_problems(ctx, runs=False)
    return [(problem.code, problem.command) for problem in found if problem.code.startswith("webhook")]


def test_changes_that_do_not_arrive_are_problems(allowed: RunContext, hours: Time) -> None:
    with receiving() as receiver:
        hook = register_webhook(WebhookRequest("self", receiver.url), allowed)
        assert _problems(allowed) == []
        change(allowed, count=DEAD_IN_A_ROW)
        assert _problems(allowed) == []
        # Without a sender they wait.
        hours.now += timedelta(minutes=16)
        assert _problems(allowed) == [("webhook_behind", "cdr-pipeline webhooks send")]
        receiver.statuses = [500] * (DEAD_IN_A_ROW * (len(PAUSES) + 1))
        while len(receiver.statuses) > 2 * (len(PAUSES) + 1):
            send_webhooks(allowed)
            hours.now += timedelta(seconds=max(PAUSES))
        codes = {code for code, _ in _problems(allowed)}
        assert codes == {"webhook_behind", "webhook_dead_letters"}
        while receiver.statuses:
            send_webhooks(allowed)
            hours.now += timedelta(seconds=max(PAUSES))
        assert _problems(allowed) == [("webhook_stopped", f"cdr-pipeline webhooks replay {hook.webhook_id}")]
        replay_webhook(hook.webhook_id, None, None, allowed)
        assert send_webhooks(allowed) == SentWebhooks(accepted=DEAD_IN_A_ROW)
        assert _problems(allowed) == []


def test_a_killed_sender_is_replaced_and_its_change_is_sent_again(allowed: RunContext, hours: Time) -> None:
    with receiving() as receiver:
        hook = register_webhook(WebhookRequest("self", receiver.url), allowed)
        change(allowed)
        with allowed.ledger() as ledger:
            assert ledger.webhooks.claim(
                hook.webhook_id, "of a killed process", now=hours.now, until=hours.now + timedelta(minutes=1)
            )
        assert send_webhooks(allowed) == SentWebhooks()
        hours.now += timedelta(minutes=1)
        assert send_webhooks(allowed) == SentWebhooks(accepted=1)
        # The killed process cannot move the position any more.
        with allowed.ledger() as ledger:
            assert not ledger.webhooks.advance(
                hook.webhook_id, "of a killed process", before=1, position=9, delivered_at=None
            )


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"],
)
def test_private_addresses_get_nothing_unless_a_setting_allows_them(ctx: RunContext, host: str) -> None:
    know(ctx)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    register_webhook(WebhookRequest("self", f"https://{host}:{port}/"), ctx)
    change(ctx)
    assert send_webhooks(ctx).failed == 1
    with ctx.ledger() as ledger:
        (hook,) = ledger.webhooks.webhooks()
    assert hook.error == "the address is private; CDR_WEBHOOK_NETWORKS does not allow it"
    listener.settimeout(0.2)
    with listener, pytest.raises(TimeoutError):
        listener.accept()


def test_redirects_are_failures_and_are_not_followed(allowed: RunContext) -> None:
    with receiving() as receiver:
        register_webhook(WebhookRequest("self", receiver.url), allowed)
        change(allowed)
        receiver.statuses = [307]
        assert send_webhooks(allowed).failed == 1
        assert len(receiver.messages) == 1


def test_a_receiver_that_never_ends_its_headers_is_given_up(
    allowed: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdr_pipeline.steps.accounts.webhook_receiver.SECONDS", 1.0)
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not ended.wait(0.1):
                try:
                    connection.sendall(b"x: y\r\n")
                except OSError:
                    return

    threading.Thread(target=trickle, daemon=True).start()
    register_webhook(WebhookRequest("self", f"http://127.0.0.1:{listener.getsockname()[1]}/"), allowed)
    change(allowed)
    began = time.monotonic()
    assert send_webhooks(allowed).failed == 1
    assert time.monotonic() - began < 8
    ended.set()
    listener.close()


def test_both_secrets_sign_while_they_overlap(allowed: RunContext, hours: Time) -> None:
    with receiving() as receiver, serving(allowed, webhook_seconds=0) as api:
        admin = token_for(allowed, "self", "admin")
        old = call(api, admin, "PUT", data={"url": receiver.url}).json()["data"]
        new = call(api, admin, "PUT", f"/{old['webhook_id']}/rotate", {"overlap_hours": 1}).json()["data"]
        assert new["secret"] != old["secret"]
        change(allowed)
        send_webhooks(allowed)
        hours.now += timedelta(hours=2)
        change(allowed)
        send_webhooks(allowed)
        counts = [len(headers["webhook-signature"].split()) for headers, _ in receiver.messages]
        assert counts == [2, 1]


def test_only_scope_admin_of_the_account_manages_webhooks(ctx: RunContext) -> None:
    know(ctx)
    with serving(ctx, webhook_seconds=0) as api:
        wish = {"url": "https://billing.example/hook"}
        for scope in ("read", "upload"):
            token = token_for(ctx, "self", scope)
            assert call(api, token, "GET").status_code == 403
            assert call(api, token, "PUT", data=wish).status_code == 403
        own = token_for(ctx, "self", "admin")
        made = call(api, own, "PUT", data=wish).json()["data"]["webhook_id"]
        assert call(api, token_for(ctx, "top", "admin"), "GET").status_code == 200
        for other in ("child", "sibling", "stranger"):
            assert call(api, token_for(ctx, other, "admin"), "GET", f"/{made}").status_code == 404
            with api.client(token_for(ctx, other, "admin")) as client:
                assert client.delete(f"/v2/accounts/{other}/webhooks/{made}").status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://billing.example/",
        "ftp://billing.example/",
        "billing.example",
        "https://",
        "https://u:p@billing.example/",
    ],
)
def test_an_address_that_nothing_may_be_sent_to_is_refused(ctx: RunContext, url: str) -> None:
    know(ctx)
    with serving(ctx, webhook_seconds=0) as api:
        refused = call(api, token_for(ctx, "self", "admin"), "PUT", data={"url": url})
        assert refused.status_code == 400
        assert "data.url" in refused.json()["data"]
        assert url not in refused.text


def test_changes_that_are_not_kept_any_more_are_announced(allowed: RunContext, hours: Time) -> None:
    with receiving() as receiver:
        register_webhook(WebhookRequest("self", receiver.url), allowed)
        change(allowed, count=2)
        hours.now += timedelta(days=100)
        change(allowed)
        with allowed.ledger() as ledger:
            ledger.changes.forget(before=hours.now - timedelta(days=90))
        assert send_webhooks(allowed).accepted == 2
        assert [json.loads(body)["kind"] for _, body in receiver.messages] == ["gone", "records"]


def test_the_log_has_no_address_of_a_receiver(allowed: RunContext, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with receiving() as receiver:
        hook = register_webhook(WebhookRequest("self", receiver.url), allowed)
        change(allowed, count=2)
        receiver.statuses = [500]
        send_webhooks(allowed)
    assert f"webhook {hook.webhook_id} did not accept change 1: HTTP 500" in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("cdr_pipeline")]
    assert not any("secret-of-the-receiver" in text or hook.secret in text for text in ours)


def test_a_name_is_looked_up_once_and_checked() -> None:
    with Receiver("https://localhost:9/", ()) as receiver:
        error = receiver.send(Message("m", b"{}"), ["whsec_AAAA"], datetime.now(UTC))
    assert error == "the address is private; CDR_WEBHOOK_NETWORKS does not allow it"


def test_the_commands_register_send_list_replay_and_remove(ctx: RunContext) -> None:
    know(ctx)
    assert ctx.settings.warehouse_url is not None
    environment = {
        "CDR_DATA_DIR": str(ctx.settings.data_dir),
        "CDR_WAREHOUSE_URL": ctx.settings.warehouse_url.get_secret_value(),
        "CDR_WEBHOOK_NETWORKS": LOOPBACK,
    }

    def run(*arguments: str) -> CompletedProcess[Any]:
        return run_command("webhooks", *arguments, environment=environment)

    with receiving() as receiver:
        added = run("add", "self", receiver.url, "--kind", "sealed")
        assert added.stdout.startswith("whsec_")
        (hook_id,) = re.findall(r"id ([0-9a-f]{16})", added.stdout)
        # The commands use the time of the machine.
        live = replace(ctx, clock=lambda: datetime.now(UTC))
        change(live, "records")
        change(live, "sealed")
        receiver.statuses = [500]
        failed = run("send")
        assert (failed.returncode, "webhook_not_delivered" in failed.stderr) == (12, True), failed.stderr
        listed = run("list")
        assert "failing" in listed.stdout
        assert "secret-of-the-receiver" not in listed.stdout
        assert run("replay", hook_id).returncode == 0
        sent = run("send")
        assert (sent.returncode, "accepted: 1 change" in sent.stdout) == (0, True), sent.stderr
        assert receiver.changes() == [2, 2]
        assert run("dead-letters", hook_id).returncode == 0
        assert run("remove", hook_id).returncode == 0
        assert run("remove", hook_id).returncode == 2


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[trustme.CA]:
    """An authority that the system of the sender trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    webhook_receiver.tls_context.cache_clear()
    yield authority
    webhook_receiver.tls_context.cache_clear()


def test_a_change_arrives_over_https_with_a_trusted_certificate(allowed: RunContext, trusted: trustme.CA) -> None:
    with receiving(trusted.issue_cert("localhost")) as receiver:
        hook = register_webhook(WebhookRequest("self", receiver.url), allowed)
        change(allowed)
        assert send_webhooks(allowed) == SentWebhooks(accepted=1)
    assert receiver.changes() == [1]
    assert receiver.messages[0][0]["host"].startswith("localhost:")
    assert hook_of(allowed, hook).error is None


@pytest.mark.parametrize("kind", ["of an unknown authority", "of another name"])
def test_certificates_that_are_not_valid_are_refused(allowed: RunContext, trusted: trustme.CA, kind: str) -> None:
    known = kind == "of another name"
    certificate = trusted.issue_cert("other.example") if known else trustme.CA().issue_cert("localhost")
    with receiving(certificate) as receiver:
        hook = register_webhook(WebhookRequest("self", receiver.url), allowed)
        change(allowed)
        assert send_webhooks(allowed) == SentWebhooks(failed=1)
    assert receiver.messages == []
    assert hook_of(allowed, hook).error == "the certificate cannot be trusted"


def test_the_bound_on_webhooks_is_not_a_fault_of_the_address(ctx: RunContext) -> None:
    know(ctx)
    for number in range(20):
        register_webhook(WebhookRequest("self", f"https://receiver.example/{number}"), ctx)
    with serving(ctx, webhook_seconds=0) as api:
        refused = call(api, token_for(ctx, "self", "admin"), "PUT", data={"url": "https://receiver.example/20"})
    assert (refused.status_code, refused.json()["message"]) == (409, "too_many_webhooks")
    assert "at most 20 webhooks" in refused.text


def test_metrics_show_deliveries_failures_dead_letters_and_lag(ctx: RunContext, hours: Time) -> None:
    know(ctx)
    moved = replace(ctx, clock=hours)
    with receiving() as receiver:
        settings = {"webhook_networks": LOOPBACK, "webhook_seconds": 0.1, "metrics_token": SecretStr("watch")}
        with serving(moved, **settings) as api:
            hook = register_webhook(WebhookRequest("self", receiver.url), api.ctx)
            change(moved)
            wait_for(lambda: _metric(api, 'cdr_api_webhook_attempts_total{result="accepted"}') == 1)
            receiver.statuses = [500]
            change(moved)
            wait_for(lambda: _metric(api, 'cdr_api_webhook_attempts_total{result="failed"}') == 1)
            with ctx.ledger() as ledger:
                ledger.webhooks.keep_dead(hook.webhook_id, 1, b"{}", attempts=10, error="HTTP 500", now=hours.now)
            assert _metric(api, "cdr_webhook_dead_letters") == 1
            assert _metric(api, 'cdr_webhooks{state="failing"}') == 1
            assert (_metric(api, "cdr_webhooks_behind"), _metric(api, "cdr_webhook_lag_seconds")) == (1, 0)
            # The next attempt is due in five seconds, and the clock of the sender does not move so far.
            hours.now += timedelta(seconds=4)
            assert _metric(api, "cdr_webhook_lag_seconds") == 4


def _metric(api: Served, name: str) -> float:
    text = httpx2.get(f"{api.url}/metrics", headers={"Authorization": "Bearer watch"}, timeout=30).text
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(line.rsplit(" ", 1)[1])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
