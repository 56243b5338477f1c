"""An OpenID Connect provider on loopback: ``python -m tests.support.oidc_provider`` prints its address.

It signs in the person, and makes the mistake, that were last sent to ``/person``. Codes are bound to client, redirect
address and PKCE challenge, and work once.
"""

import base64
import hashlib
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "console"
CLIENT_SECRET = "client-secret"
KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": "key"}) for _ in range(2))


class Provider(ThreadingHTTPServer):
    """The provider's state."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.person: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}

    def id_token(self, nonce: str) -> str:
        """A signed ID token of the person, with the mistake that was asked for."""
        mistake, now = self.person.get("mistake"), int(time.time()) + int(self.person.get("ahead", 0))
        claims = {
            "iss": self.issuer if mistake != "issuer" else "http://127.0.0.1:1",
            "aud": CLIENT_ID if mistake != "audience" else "another",
            "sub": self.person["sub"],
            "iat": now - (7_200 if mistake == "expired" else 0),
            "exp": now + (-3_600 if mistake == "expired" else 300),
            "nonce": nonce if mistake != "nonce" else "another",
            "email": self.person["email"],
            "email_verified": mistake != "unverified",
        }
        key = OTHER_KEY if mistake == "signature" else KEY
        return jwt.encode({"alg": "RS256", "kid": "key"}, claims, key, algorithms=["RS256"])


class Handler(BaseHTTPRequestHandler):
    """Requests of browsers and of the console."""

    server: Provider

    def do_GET(self) -> None:
        """Discovery, keys and the sign-in page, which signs in at once."""
        parts = urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            issuer = self.server.issuer
            self._json(
                {
                    "issuer": issuer if self.server.person.get("mistake") != "discovery" else "http://127.0.0.1:1",
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/keys",
                }
            )
        elif parts.path == "/keys":
            self._json({"keys": [KEY.as_dict(private=False)]})
        elif parts.path == "/authorize":
            query = dict(parse_qsl(parts.query))
            code = secrets.token_urlsafe(8)
            self.server.codes[code] = query
            self._answer(
                303, b"", {"Location": f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"}
            )
        else:
            self._answer(404, b"")

    def do_POST(self) -> None:
        """The token of a code, and the person of the next sign-ins."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/person":
            self.server.person = json.loads(body)
            self._json({})
            return
        form = dict(parse_qsl(body.decode()))
        begun = self.server.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        expected = f"Basic {base64.b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}"
        if (
            begun is None
            or begun.get("code_challenge_method") != "S256"
            or begun.get("code_challenge") != base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            or begun.get("redirect_uri") != form.get("redirect_uri")
            or self.headers.get("Authorization") != expected
        ):
            self._json({"error": "invalid_grant"}, 400)
            return
        token = self.server.id_token(begun["nonce"])
        self._json({"access_token": secrets.token_hex(8), "token_type": "Bearer", "id_token": token})

    def log_message(self, *args: object) -> None:
        """Logs nothing."""

    def _json(self, document: dict[str, Any], status: int = 200) -> None:
        self._answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with Provider() as provider:
        sys.stdout.write(f"{provider.issuer}\n")
        sys.stdout.flush()
        provider.serve_forever()
