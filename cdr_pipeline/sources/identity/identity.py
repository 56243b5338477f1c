"""A sign-in with an identity provider: this installation as its client, what has begun, and the person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OidcClient:
    """This installation as a client of a provider.

    Attributes:
        issuer: address of the provider.
        client_id, client_secret: registration at the provider; no secret for a public client.
        redirect_url: address to which the provider sends the user back.
    """

    issuer: str
    client_id: str
    client_secret: str | None
    redirect_url: str


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in that has begun. ``state``, ``nonce`` and ``verifier`` stay in the browser's cookie until it ends."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as the provider knows it: ``subject`` is its stable id, ``claims`` are those of the ID token."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]
