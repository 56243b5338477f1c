"""Settings of the switch's API and of the collection from it."""

from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from cdr_pipeline.settings.section import SettingsSection


def _api_base(url: str | None, info: ValidationInfo) -> str | None:
    if url is None:
        return None
    plain_allowed = bool(info.data.get("api_send_token_unencrypted")) or _this_machine(url)
    if not url.startswith("https://") and not (url.startswith("http://") and plain_allowed):
        raise ValueError("must start with https:// (plain http only to this machine)")
    if "@" in url or "?" in url or "#" in url:
        raise ValueError(
            "must be scheme, host, port and path only; credentials go in CDR_API_KEY, CDR_API_USER or CDR_API_TOKEN"
        )
    return url.rstrip("/")


def _this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class CollectSettings(SettingsSection):
    """Settings of the switch's API and of the collection from it."""

    upstream: str = Field(
        default="kazoo",
        pattern=r"^[a-z0-9_]{1,40}$",
        description="kind of system that calls are collected from with CDR_API_*: kazoo (every switch of its family)",
    )
    # Before the URL, whose check looks at it.
    api_send_token_unencrypted: bool = Field(
        default=False,
        description="allow plain http to other machines; anyone on the network path can read token and calls",
    )
    api_url: Annotated[str | None, AfterValidator(_api_base)] = Field(
        default=None, description="base of the switch's API, e.g. https://api.example.com:8443 (no /v1 or /v2)"
    )
    api_token: SecretStr | None = Field(default=None, description="authentication token, sent as X-Auth-Token")
    api_key: SecretStr | None = Field(default=None, description="API key, exchanged for a token at /api_auth")
    api_user: str | None = Field(default=None, description="user name, instead of an API key (user_auth)")
    api_password: SecretStr | None = Field(default=None, description="the user's password; only its hash is sent")
    api_account_name: str | None = Field(default=None, description="account name that the user belongs to")
    api_account_realm: str | None = Field(default=None, description="realm of the account, instead of its name")
    api_user_method: Literal["md5", "sha"] = Field(default="md5", description="hash of the password: md5 or sha")
    api_token_in_query: bool = Field(
        default=False, description="send the token as ?auth_token=, for servers that accept nothing else"
    )
    api_dialect: str = Field(
        default="auto",
        pattern=r"^[a-z0-9_]{1,40}$",
        description="version of the switch's API: auto (detected), seed_v1, v2_k3, v2_k43 or k5",
    )
    api_details: bool = Field(
        default=False,
        description="also fetch /cdrs/{id}, one request per record, for the fields that only details have",
    )
    api_national_prefix: str | None = Field(
        default=None,
        pattern=r"^[0-9]{0,4}$",
        description="trunk prefix of national numbers in the switch's records; the country's own when not set",
    )
    api_international_prefix: str = Field(
        default="00",
        pattern=r"^[0-9]{1,8}$",
        description="prefix that replaces + in the switch's records, besides 00 and that of the account's country",
    )
    api_tech_prefix: str = Field(
        default="", pattern=r"^[0-9*#]{0,16}$", description="prefix that the switch puts before every number"
    )
    api_currency: str = Field(
        default="USD", pattern=r"^[A-Z]{3}$", description="ISO 4217 code of the costs in the switch's records"
    )
    api_page_size: int = Field(default=500, ge=1, le=10_000, description="rows per page (v2)")
    api_requests_per_second: float = Field(
        default=8.0,
        gt=0,
        le=10_000,
        description="requests per second and account, of all processes together; a stock switch allows 10",
    )
    api_host_requests_per_second: float = Field(
        default=200.0, gt=0, le=100_000, description="requests per second of all accounts and processes together"
    )
    api_timeout_seconds: float = Field(default=60.0, gt=0, le=3600, description="timeout of one request")
    collect_concurrency: int = Field(default=8, ge=1, le=64, description="accounts collected at the same time")
    collect_overlap_hours: int = Field(
        default=6,
        ge=0,
        le=720,
        description="hours after the end of a day in which records saved late are still collected",
    )
    collect_reread_days: int = Field(
        default=3, ge=0, le=31, description="earlier days that each night reads again for records that appeared late"
    )
    collect_longest_call_hours: int = Field(
        default=24, ge=1, le=720, description="longest call over a month's end that is looked for (4.3 and later)"
    )
    clock_tolerance_seconds: float = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="how far the clocks of this machine, the warehouse and the switch may differ",
    )
