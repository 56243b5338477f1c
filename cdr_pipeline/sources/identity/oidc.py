"""Sign-in with an OpenID Connect provider: authorization code with PKCE, state and nonce, and checks of the ID token.

Needs the extra ``oidc`` (Authlib).
"""

import hmac
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, cast

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cdr_pipeline.errors import SignInRefused
from cdr_pipeline.sources.identity.identity import Identity, OidcClient, PendingSignIn

_DISCOVERY: Final = "/.well-known/openid-configuration"
_SCOPE: Final = "openid profile email"
_TIMEOUT_SECONDS: Final = 10.0
# Of the id of a person (OpenID Connect Core 1.0, section 2).
_LONGEST_SUBJECT: Final = 255
# Difference of the clocks of provider and this machine that an ID token may show.
_LEEWAY_SECONDS: Final = 60
# Asymmetric algorithms: a token that is signed with the client secret, or not at all, is refused.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")


def begin_sign_in(client: OidcClient) -> PendingSignIn:
    """Address of the provider's sign-in page, and what its answer is checked with. Raises SignInRefused."""
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    endpoint = str(_configuration(client)["authorization_endpoint"])
    with _session(client) as session:
        url, state = session.create_authorization_url(endpoint, code_verifier=verifier, nonce=nonce)
    return PendingSignIn(str(url), str(state), nonce, verifier)


def finish_sign_in(client: OidcClient, pending: PendingSignIn, *, state: str, code: str, now: datetime) -> Identity:
    """The person of the provider's answer.

    Args:
        client: this installation at the provider.
        pending: what ``begin_sign_in`` has returned to the same browser.
        state: parameter of the answer.
        code: parameter of the answer.
        now: current time.

    Raises:
        SignInRefused: the answer is not for this sign-in, or its ID token is not valid.
    """
    if not pending.state or not hmac.compare_digest(state.encode(), pending.state.encode()):
        raise SignInRefused("the answer of the identity provider is not for this sign-in", hint="sign in again")
    configuration = _configuration(client)
    token = _token(client, str(configuration["token_endpoint"]), code, pending.verifier)
    claims = _claims(client, token, _json(str(configuration["jwks_uri"])), pending.nonce, now)
    subject = str(claims["sub"])
    if len(subject.encode()) > _LONGEST_SUBJECT:
        raise SignInRefused("the identity provider's id of the person is too long", hint="ask its administrator")
    return Identity(client.issuer, subject, claims)


def _configuration(client: OidcClient) -> dict[str, Any]:
    found = _json(client.issuer.rstrip("/") + _DISCOVERY)
    if str(found.get("issuer", "")).rstrip("/") != client.issuer.rstrip("/"):
        raise SignInRefused("the identity provider names another issuer", hint="check CDR_OIDC_ISSUER")
    missing = {"authorization_endpoint", "token_endpoint", "jwks_uri"} - set(found)
    if missing:
        raise SignInRefused(f"the identity provider does not name: {', '.join(sorted(missing))}")
    return found


def _json(url: str) -> dict[str, Any]:
    try:
        response = requests.get(url, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
        found = response.json()
    except (requests.RequestException, ValueError) as error:
        raise SignInRefused(
            f"the identity provider cannot be reached: {type(error).__name__}", hint="check CDR_OIDC_ISSUER"
        ) from None
    if not isinstance(found, dict):
        raise SignInRefused("the identity provider's answer is not a JSON object", hint="check CDR_OIDC_ISSUER")
    return cast("dict[str, Any]", found)


@contextmanager
def _session(client: OidcClient) -> Generator[Any]:
    session: Any = OAuth2Session(
        client.client_id,
        client.client_secret,
        scope=_SCOPE,
        redirect_uri=client.redirect_url,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if client.client_secret else "none",
    )
    try:
        yield session
    finally:
        session.close()


def _token(client: OidcClient, endpoint: str, code: str, verifier: str) -> str:
    with _session(client) as session:
        try:
            token = session.fetch_token(endpoint, code=code, code_verifier=verifier, timeout=_TIMEOUT_SECONDS)
        except (AuthlibBaseError, requests.RequestException, ValueError) as error:
            raise SignInRefused(
                f"the identity provider does not accept the sign-in: {type(error).__name__}", hint="sign in again"
            ) from None
    if not isinstance(token.get("id_token"), str):
        raise SignInRefused("the identity provider sent no ID token", hint="the client needs the scope openid")
    return str(token["id_token"])


def _claims(client: OidcClient, token: str, keys: dict[str, Any], nonce: str, now: datetime) -> dict[str, Any]:
    """Claims of an ID token whose signature, issuer, audience, times and nonce are valid."""
    try:
        decoded = jwt.decode(token, KeySet.import_key_set(cast("Any", keys)), algorithms=list(_ALGORITHMS))
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {
                "iss": {"essential": True, "value": client.issuer},
                "aud": {"essential": True, "value": client.client_id},
                "nonce": {"essential": True},
            },
            {"nonce": nonce, "client_id": client.client_id},
        )
        claims.validate(now=int(now.timestamp()), leeway=_LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise SignInRefused(
            f"the ID token of the identity provider is not valid: {type(error).__name__}", hint="sign in again"
        ) from None
    return dict(decoded.claims)
