"""Settings of the API server."""

import re
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from cdr_pipeline.settings.section import SettingsSection

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")

_APP: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def _origins(text: str) -> str:
    listed = [origin.strip() for origin in text.split(",") if origin.strip()]
    wrong = [origin for origin in listed if origin != "*" and not _ORIGIN.fullmatch(origin)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: must be scheme and host such as https://portal.example, or *")
    return ",".join(listed)


def _app_names(text: str) -> str:
    listed = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in listed if not _APP.fullmatch(name)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: must be names of apps such as dt-calllogs")
    return ",".join(listed)


def _networks(text: str) -> str:
    listed = [address.strip() for address in text.split(",") if address.strip()]
    for address in listed:
        ip_network(address)
    return ",".join(listed)


def _public(url: str | None) -> str | None:
    if url is not None and not _ORIGIN.fullmatch(url.rstrip("/")):
        raise ValueError("must be scheme and host such as https://cdr.example, or with a port")
    return None if url is None else url.rstrip("/")


_LONGEST_ISSUER: Final = 512


def _issuer(url: str | None) -> str | None:
    if url is None:
        return None
    if len(url.encode()) > _LONGEST_ISSUER:
        raise ValueError(f"must have at most {_LONGEST_ISSUER} bytes")
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or parts.query or parts.fragment or (parts.scheme != "https" and not local):
        raise ValueError("must be an https address such as https://login.example")
    return url


class ServeSettings(SettingsSection):
    """Settings of the API server."""

    serve_connections: int = Field(
        default=8, ge=2, le=200, description="API: connections to the warehouse per worker process"
    )
    serve_search_seconds: float = Field(
        default=15.0,
        gt=0,
        le=600,
        description="API and console: timeout of each statement of a search or page; then 504",
    )
    serve_download_seconds: float = Field(
        default=900.0, gt=0, le=86_400, description="API: timeout of a download; console: of each statement of an act"
    )
    serve_replica_seconds: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="API: oldest state of the replica to show, in seconds; an older one is replaced by the warehouse",
    )
    serve_requests_per_second: float = Field(
        default=100.0,
        ge=0,
        le=100_000,
        description="API: requests per second and account, by all its tokens, with bursts of ten seconds; 0: no limit",
    )
    serve_subtree_requests_per_second: float = Field(
        default=400.0,
        ge=0,
        le=1_000_000,
        description="API: requests per second by all tokens of an account and of the accounts below it, with bursts of"
        " ten seconds; not for the only root of all accounts; 0: no such limit",
    )
    serve_upload_bytes: int = Field(
        default=256 * 1024**2, ge=1024, le=64 * 1024**3, description="API: largest upload in bytes"
    )
    serve_upload_lines: int = Field(
        default=10_000_000, ge=1, description="API: lines of an upload, uncompressed; with more, nothing is loaded"
    )
    serve_upload_wait_bytes: int = Field(
        default=16 * 1024**2,
        ge=0,
        description="API: longest body in bytes that is loaded before the response; longer ones get 202 and are loaded"
        " in the background",
    )
    serve_upload_seconds: float = Field(
        default=900.0, gt=0, le=86_400, description="API: processor time of the load of one file, in seconds"
    )
    serve_extract_hours: float = Field(
        default=48.0, gt=0, le=8_760, description="API: hours that the file of an extract is kept"
    )
    serve_extract_bytes: int = Field(
        default=10 * 1024**3,
        ge=1024,
        description="API: bytes of all files of extracts that the tokens of one account have requested",
    )
    serve_extract_seconds: float = Field(
        default=2.0,
        ge=0,
        le=3600,
        description="API: pause between two looks of serve for extracts to make; 0: this process makes none",
    )
    second_person_amount: Decimal | None = Field(
        default=None,
        ge=0,
        description="console: sealing a day in spite of obstacles needs a second approver when at least this much, in"
        " any currency, is undecided; 0: always; empty: never",
    )
    second_person_rows: int | None = Field(
        default=None,
        ge=0,
        description="console: restating a day needs a second approver when at least this many rows changed; 0: always;"
        " empty: never",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="API: token that Prometheus sends to /metrics (Authorization: Bearer) to see the figures of nights,"
        " breaks, ages and disks; empty: /metrics shows only requests",
    )
    public_url: Annotated[str | None, AfterValidator(_public)] = Field(
        default=None,
        description="address of the console as users open it, such as https://cdr.example; pages of Dagster link to it",
    )
    oidc_issuer: Annotated[str | None, AfterValidator(_issuer)] = Field(
        default=None,
        description="console: address of the OpenID Connect provider with which invited users sign in, such as"
        " https://login.example; needs the extra oidc",
    )
    oidc_client_id: str | None = Field(default=None, description="console: id of this client at CDR_OIDC_ISSUER")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="console: secret of this client at CDR_OIDC_ISSUER; empty for a public client"
    )
    oidc_name_claim: str = Field(
        default="email",
        description="console: claim of the provider that is the name of the invited user; email must be verified",
    )
    password_sign_in: bool = Field(
        default=True,
        description="console: users can sign in by password; false: only with CDR_OIDC_ISSUER and one-time links",
    )
    serve_docs: bool = Field(default=True, description="API: serve /docs and /openapi.json")
    serve_origins: Annotated[str, AfterValidator(_origins)] = Field(
        default="",
        description="API: web origins whose pages may call it (CORS), separated by commas, such as"
        " https://portal.example; *: any; empty: none",
    )
    serve_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        description="API and console: addresses or networks of proxies whose X-Forwarded-For names the client,"
        " separated by commas, such as 127.0.0.1,10.0.0.0/8; empty: none is believed",
    )
    webhook_networks: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        description="webhooks: networks of private addresses that they may be sent to, without TLS too, separated by"
        " commas, such as 10.0.0.0/8; empty: only public addresses",
    )
    webhook_seconds: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="webhooks: pause between two looks of serve for changes to send; 0: only 'webhooks send' sends",
    )
    serve_portal_apps: Annotated[str, AfterValidator(_app_names)] = Field(
        default="",
        description="API: apps of Monster UI that users who log in there may open, separated by commas, such as"
        " dt-calllogs; each must be installed there",
    )
    serve_unknown_parameters: Literal["refuse", "ignore"] = Field(
        default="refuse",
        description="API: query parameters that it does not know are refused, or ignored as Kazoo does and named in the"
        " header X-Ignored-Parameters",
    )

    @property
    def portal_apps(self) -> tuple[str, ...]:
        """Names of the apps of Monster UI that users may open."""
        return tuple(self.serve_portal_apps.split(",")) if self.serve_portal_apps else ()

    @property
    def allowed_webhook_networks(self) -> tuple[str, ...]:
        """Networks of private addresses that webhooks may be sent to."""
        return tuple(self.webhook_networks.split(",")) if self.webhook_networks else ()

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The web origins whose pages may call the API."""
        return tuple(self.serve_origins.split(",")) if self.serve_origins else ()
