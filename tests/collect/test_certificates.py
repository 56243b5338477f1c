"""A13: certificates that cannot be trusted end the matter; there is no switch that turns the check off."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from cdr_pipeline.errors import PermanentUpstreamError
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.session import Credentials
from cdr_pipeline.sources.upstream import Window

WINDOW = Window(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
NOW = datetime.now(UTC)


class Pages(http.server.BaseHTTPRequestHandler):
    """One empty page for everybody."""

    def do_GET(self) -> None:
        body = b'{"data":[],"status":"success"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(certificate: trustme.LeafCert) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(port: int, authority: trustme.CA | None) -> int:
    trust = ssl.create_default_context()
    if authority is not None:
        authority.configure_trust(trust)
    client = KazooClient(
        f"https://localhost:{port}", Credentials(token="CANARY_TOK"), attempts=3, verify=trust, timeout_seconds=5
    )
    with client:
        return len(list(client.pages("acct", WINDOW, SwitchDialect.V2_K43)))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_a_good_certificate_of_a_known_authority_is_taken(authority: trustme.CA) -> None:
    with serving(authority.issue_cert("localhost")) as port:
        assert ask(port, authority) == 1


@pytest.mark.fault("A13")
@pytest.mark.parametrize("case", ["unknown authority", "other host", "expired"])
def test_any_other_is_a_permanent_failure(authority: trustme.CA, case: str) -> None:
    certificate = authority.issue_cert(
        "elsewhere.example" if case == "other host" else "localhost",
        not_before=NOW - timedelta(days=9) if case == "expired" else None,
        not_after=NOW - timedelta(days=2) if case == "expired" else None,
    )
    with serving(certificate) as port, pytest.raises(PermanentUpstreamError, match="certificate") as raised:
        ask(port, None if case == "unknown authority" else authority)
    assert not raised.value.retryable
    assert "CANARY" not in str(raised.value)


@pytest.mark.fault("A13")
def test_no_setting_turns_the_check_off() -> None:
    assert [name for name in Settings.model_fields if "verify" in name or "tls" in name or "ssl" in name] == []
