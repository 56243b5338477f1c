"""Sends one signed request to the receiver of a webhook, never to a private address that the settings do not allow.

The signature is that of Standard Webhooks: HMAC-SHA256 over id, time and body.
"""

import asyncio
import base64
import hashlib
import hmac
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Self
from urllib.parse import urlsplit

import httpx2

from cdr_pipeline import __version__

# Seconds for one request from the connection to the status; the body of the response is not read.
SECONDS: Final = 10.0
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the beginning of every secret, not a secret
_ACCEPTED: Final = range(200, 300)
# IPv6 addresses that a gateway translates to the IPv4 address in their last 32 bits (RFC 6052).
_TRANSLATED: Final = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its id, which repetitions share, and its body."""

    message_id: str
    body: bytes


def signatures(message: Message, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Headers that prove who sent a message, and when.

    Args:
        message: the message.
        secrets: keys of the signatures, as registered: ``whsec_`` and Base64.
        now: time of this attempt, which receivers compare with their clock.
    """
    seconds = str(int(now.timestamp()))
    signed = b".".join((message.message_id.encode(), seconds.encode(), message.body))
    keys = [base64.b64decode(secret.removeprefix(SECRET_PREFIX)) for secret in secrets]
    digests = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": message.message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{digest}" for digest in digests),
    }


class Receiver:
    """The receiver of a webhook; keeps its connection open between messages.

    Args:
        url: address of the receiver.
        networks: networks of private addresses that are allowed.
    """

    def __init__(self, url: str, networks: Sequence[str]) -> None:
        self._url = url
        self._networks = [ip_network(network) for network in networks]
        self._runner = asyncio.Runner()
        self._client: httpx2.AsyncClient | None = None
        self._address = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    def send(self, message: Message, secrets: Sequence[str], now: datetime) -> str | None:
        """Sends a message once.

        Args:
            message: the message.
            secrets: keys of the signatures.
            now: time of this attempt.

        Returns:
            None if the receiver has accepted it; otherwise why not, without address.
        """
        headers = signatures(message, secrets, now) | {
            "content-type": "application/json",
            "user-agent": f"cdr-pipeline/{__version__}",
        }
        try:
            return self._runner.run(self._post(message.body, headers))
        except TimeoutError:
            return f"no answer within {SECONDS:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return _cause(error)

    async def _post(self, body: bytes, headers: dict[str, str]) -> str | None:
        # A limit of the whole request: a receiver could send one byte of its response every few seconds.
        async with asyncio.timeout(SECONDS):
            parts = urlsplit(self._url)
            host = parts.hostname or ""
            if not self._address:
                self._address = await self._permitted_address(host, parts.port or _port_of(parts.scheme))
            if self._client is None:
                self._client = httpx2.AsyncClient(timeout=SECONDS, trust_env=False, verify=tls_context())
            # The name is not looked up again: a second answer could be another address than the one that was checked.
            shown = f"[{self._address}]" if ":" in self._address else self._address
            target = httpx2.URL(self._url).copy_with(host=shown)
            async with self._client.stream(
                "POST",
                target,
                content=body,
                headers=headers | {"host": parts.netloc},
                extensions={"sni_hostname": host},
            ) as response:
                return None if response.status_code in _ACCEPTED else f"HTTP {response.status_code}"

    async def _permitted_address(self, host: str, port: int) -> str:
        """The first address of a name. Raises _NotSendable if one of them is private and not allowed."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ip_address(entry[4][0]) for entry in found]
        if not addresses or not all(self._is_permitted(address) for address in addresses):
            raise _NotSendable("the address is private; CDR_WEBHOOK_NETWORKS does not allow it")
        if urlsplit(self._url).scheme != "https" and not self._is_allowed(_plain(addresses[0])):
            raise _NotSendable("http is only for networks of CDR_WEBHOOK_NETWORKS; register an https address")
        return str(addresses[0])

    def _is_permitted(self, address: IPv4Address | IPv6Address) -> bool:
        plain = _plain(address)
        return self._is_allowed(plain) or (plain.is_global and not plain.is_multicast)

    def _is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


class _NotSendable(ValueError):
    """Nothing may be sent to the address; the message has no address."""


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address contains, or the address itself."""
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
    return address


def _port_of(scheme: str) -> int:
    return 443 if scheme == "https" else 80


@cache
def tls_context() -> ssl.SSLContext:
    """Trusts the authorities of the system, or those of SSL_CERT_FILE."""
    return ssl.create_default_context()


def _cause(error: BaseException) -> str:
    """What failed in plain words, never an address."""
    if isinstance(error, _NotSendable):
        return str(error)
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ConnectionRefusedError):
            return "connection refused"
        if isinstance(found, socket.gaierror):
            return "the name of the receiver is unknown"
        if isinstance(found, TimeoutError | httpx2.TimeoutException):
            return f"no answer within {SECONDS:g} s"
        if isinstance(found, ssl.SSLCertVerificationError):
            return "the certificate cannot be trusted"
        found = found.__cause__ or found.__context__
    return type(error).__name__
