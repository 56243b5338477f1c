"""Settings of nights, runs, alerts and the log."""

from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr

from cdr_pipeline.settings.folders import AbsolutePath
from cdr_pipeline.settings.section import SettingsSection


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone such as 'Europe/Berlin'") from error
    return name


def _smtp_scheme(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(("smtp://", "smtps://")):
        raise ValueError("must start with smtp:// or smtps://")
    if url is not None:
        try:
            parts = urlsplit(url.get_secret_value())
            valid = bool(parts.hostname) and parts.port != 0
        except ValueError:
            parts, valid = None, False
        if parts is None or not valid:
            raise ValueError("must name a host, and a port from 1 to 65535 or none")
        if bool(parts.username) != bool(parts.password):
            raise ValueError("must have both user and password, or neither: smtp://user:password@host:587")
    return url


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class OperationSettings(SettingsSection):
    """Settings of nights, runs, alerts and the log."""

    time_zone: TimeZone = Field(default="UTC", description="IANA time zone of the nightly schedule and of new accounts")
    nightly_at: str = Field(
        default="02:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="start of the nightly run, HH:MM"
    )
    nightly_grace_minutes: int = Field(
        default=60, ge=5, le=720, description="minutes after which a night that has not started counts as missed"
    )
    first_date: str = Field(
        default="2024-01-01", pattern=r"^\d{4}-\d{2}-\d{2}$", description="first business date that Dagster offers"
    )
    executor: Literal["in_process", "multiprocess", "celery", "k8s"] = Field(
        default="in_process",
        description="where steps run: in_process (fastest on one machine), multiprocess, celery or k8s",
    )
    executor_config: AbsolutePath | None = Field(
        default=None, description="YAML file whose 'execution: config:' configures the executor, e.g. Celery's broker"
    )
    night_shards: int = Field(
        default=1,
        ge=1,
        le=256,
        description=(
            "number of groups of accounts, each a step that another worker can run at the same time; in one process "
            "the accounts are divided only if their common step fails"
        ),
    )
    step_retry_seconds: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="seconds before a step that failed for a temporary reason is retried (twice)",
    )
    alert_webhook_url: SecretStr | None = Field(
        default=None, description="alerts are posted to this URL as JSON; the URL is treated as a secret"
    )
    alert_mail_to: str | None = Field(default=None, description="mail addresses for alerts, separated by commas")
    alert_mail_from: str = Field(default="cdr-pipeline@localhost", description="sender of alerts")
    alert_smtp_url: Annotated[SecretStr | None, AfterValidator(_smtp_scheme)] = Field(
        default=None, description="smtp://host:port or smtps://host; a user:password@ is sent over TLS only"
    )
    alert_urls: SecretStr | None = Field(
        default=None,
        description="addresses of alert services as Apprise writes them, such as slack:// or pagerduty://, separated by"
        " spaces; treated as secrets",
    )
    alert_retry_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="seconds before an alert that a channel did not accept is sent again; doubles up to one hour",
    )
    alert_exposure: Decimal | None = Field(
        default=None, ge=0, description="alert when a day's reconciliation leaves more money open than this"
    )
    disk_warning_days: int = Field(
        default=14,
        ge=1,
        le=365,
        description="doctor, status and alerts warn when a disk is full within so many days at the growth so far",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="lowest level that is logged"
    )

    @property
    def alert_service_urls(self) -> tuple[str, ...]:
        """Addresses in ``CDR_ALERT_URLS``."""
        return tuple(self.alert_urls.get_secret_value().split()) if self.alert_urls is not None else ()
