"""Settings from environment variables ``CDR_*`` and an optional ``.env`` file.

Entry points load the settings once and pass them down. Only this module reads the environment. An environment variable
takes precedence over the ``.env`` file of the working directory, which takes precedence over the default.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from cdr_pipeline.errors import ConfigurationError

PREFIX = "CDR_"
Dialect = Literal["auto", "seed_v1", "v2_k3", "v2_k43", "k5"]
# Set for worker processes, not by operators.
_WORKERS = "_CDR_SERVE_WORKERS"
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
EXPORT_DIALECTS = ("exact", "spreadsheet", "xlsx", "parquet", "redacted")
_CHECKOUT = Path(__file__).resolve().parent.parent


def bundled(name: str) -> Path:
    """Path of a file or folder that ships with the code: next to the package in a checkout, inside it in a wheel."""
    packaged = Path(__file__).resolve().parent / "_bundled" / name
    return packaged if packaged.exists() else _CHECKOUT / name


def _home() -> Path:
    """Default parent of run-time folders: the checkout, or the working directory if installed from a wheel."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else Path.cwd()


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone such as 'Europe/Berlin'") from error
    return name


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


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


def _known_dialects(listed: str) -> str:
    names = [name.strip() for name in listed.split(",") if name.strip()]
    unknown = sorted(set(names) - set(EXPORT_DIALECTS))
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not among {', '.join(EXPORT_DIALECTS)}")
    # The exact file is always written: it is sealed, and the other files are made from it.
    return ",".join(name for name in EXPORT_DIALECTS if name in {"exact", *names})


def _this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _warehouse_scheme(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://")
    return url


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
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """Settings of an installation. An unknown ``CDR_*`` variable is an error, because it is usually a typo."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
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
    api_dialect: Dialect = Field(
        default="auto", description="version of the switch's API: auto (detected), seed_v1, v2_k3, v2_k43 or k5"
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
    api_page_size: int = Field(default=500, ge=1, le=10_000, description="rows per page (v2)")
    api_requests_per_second: float = Field(
        default=8.0, gt=0, le=10_000, description="requests per second and account; a stock switch allows 10"
    )
    api_host_requests_per_second: float = Field(
        default=200.0, gt=0, le=100_000, description="requests per second of all accounts together"
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

    upload_settle_seconds: float = Field(
        default=5.0,
        ge=0,
        le=86_400,
        description="a file in the drop folder is complete when it has not changed for this many seconds",
    )

    export_dialects: Annotated[str, AfterValidator(_known_dialects)] = Field(
        default="exact",
        description="dialects of the daily files, separated by commas: exact, spreadsheet, xlsx, parquet, redacted",
    )
    export_compression: Literal["none", "gzip", "zstd"] = Field(
        default="none", description="compression of the daily CSV files: none, gzip or zstd"
    )
    seal_after_days: int = Field(
        default=3, ge=0, le=366, description="days after its end that a day stays open for late records"
    )
    redaction_key: SecretStr | None = Field(
        default=None, description="key of the hashes that replace numbers in redacted files; never delivered"
    )

    warehouse_url: Annotated[SecretStr | None, AfterValidator(_warehouse_scheme)] = Field(
        default=None, description="postgresql://user@host/database, PostgreSQL 15 or later; empty: the embedded server"
    )
    data_dir: AbsolutePath = Field(
        default_factory=lambda: _home() / "cdr_data",
        description="landing files, uploads, exports and the embedded warehouse",
    )
    dagster_home: AbsolutePath = Field(
        default_factory=lambda: _home() / "dagster_home",
        validation_alias="DAGSTER_HOME",
        description="folder of Dagster's instance",
    )

    serve_connections: int = Field(
        default=8, ge=2, le=200, description="API: connections to the warehouse per worker process"
    )
    serve_search_seconds: float = Field(default=15.0, gt=0, le=600, description="API: timeout of a search; then 504")
    serve_download_seconds: float = Field(default=900.0, gt=0, le=86_400, description="API: timeout of a download")
    serve_requests_per_second: float = Field(
        default=100.0,
        ge=0,
        le=100_000,
        description="API: requests per second and token, with bursts of ten seconds; 0: no limit",
    )
    serve_upload_bytes: int = Field(
        default=256 * 1024**2, ge=1024, le=64 * 1024**3, description="API: largest upload in bytes"
    )
    serve_docs: bool = Field(default=True, description="API: serve /docs and /openapi.json")

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
    alert_exposure: Decimal | None = Field(
        default=None, ge=0, description="alert when a day's reconciliation leaves more money open than this"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="lowest level that is logged"
    )

    @property
    def session_dir(self) -> Path:
        """Tokens of the switch, shared by this machine's processes; readable by the owner only."""
        return self.data_dir / "session"

    @property
    def landing_dir(self) -> Path:
        """Untouched bytes that came in."""
        return self.data_dir / "landing"

    @property
    def upload_dir(self) -> Path:
        """Drop folder: ``uploads/{account_id}/{profile}/file``."""
        return self.data_dir / "uploads"

    @property
    def profile_dir(self) -> Path:
        """The operator's own import profiles, in addition to the built-in ones."""
        return self.data_dir / "profiles"

    @property
    def export_dir(self) -> Path:
        """Daily files and their manifests."""
        return self.data_dir / "exports"

    @property
    def archive_dir(self) -> Path:
        """Records that were removed from the warehouse, in Parquet."""
        return self.data_dir / "archive"

    @property
    def report_dir(self) -> Path:
        """One page per night."""
        return self.data_dir / "reports"

    @property
    def targets_file(self) -> Path:
        """File with the delivery targets; readable by its owner only, because it may contain passwords."""
        return self.data_dir / "targets.toml"

    @property
    def reconciliation_dir(self) -> Path:
        """Pages of reconciled days."""
        return self.data_dir / "reconciliation"

    @property
    def warehouse_dir(self) -> Path:
        """The embedded server's own folder."""
        return self.data_dir / "warehouse"


@dataclass(frozen=True, slots=True)
class SettingReport:
    """One line of ``cdr-pipeline config check``.

    Attributes:
        variable: name of the environment variable.
        value: value of the setting; secrets are masked.
        source: ``environment``, ``.env`` or ``default``.
        description: description of the setting.
        problem: error of the value; empty if it is valid.
    """

    variable: str
    value: str
    source: str
    description: str
    problem: str = ""


def variable_of(field: str) -> str:
    """The environment variable that sets a field of ``Settings``."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and ``.env``.

    Args:
        environ: environment to check; that of the process when omitted.

    Raises:
        ConfigurationError: a variable is invalid, unknown, or disables validation; the message names all of them.
    """
    reports, settings = inspect_settings(environ)
    problems = [f"{report.variable}: {report.problem}" for report in reports if report.problem]
    if settings is None or problems:
        raise ConfigurationError(
            "; ".join(problems),
            hint="'cdr-pipeline config check' lists every setting and where it comes from",
        )
    return settings


def inspect_settings(
    environ: Mapping[str, str] | None = None,
) -> tuple[list[SettingReport], Settings | None]:
    """Every setting with its masked value, source and problem, and the settings if they are valid."""
    environment = dict(os.environ) if environ is None else dict(environ)
    dotenv = _dotenv()
    problems = _unknown_variables(environment | dotenv) | _validation_switches(environment)
    settings: Settings | None = None
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = str(fault["loc"][0]) if fault["loc"] else PREFIX
            variable = variable_of(name) if name in Settings.model_fields else name.upper()
            problems[variable] = str(fault["msg"]).removeprefix("Value error, ")
    reports = [
        SettingReport(
            variable=(variable := variable_of(field)),
            value=_masked_value(field, settings),
            source=_source(variable, environment, dotenv),
            description=Settings.model_fields[field].description or "",
            problem=problems.pop(variable, ""),
        )
        for field in Settings.model_fields
    ]
    reports += [
        SettingReport(variable, "", _source(variable, environment, dotenv), "", problem)
        for variable, problem in sorted(problems.items())
    ]
    return reports, settings


def subprocess_environment(settings: Settings) -> dict[str, str]:
    """Environment for a child process that needs the same settings, DAGSTER_HOME included."""
    return dict(os.environ) | {
        "DAGSTER_HOME": str(settings.dagster_home),
        "CDR_DATA_DIR": str(settings.data_dir),
    }


def share_metrics(folder: Path, workers: int) -> None:
    """Sets the number of API workers and the folder of their shared metrics in the environment of child processes."""
    os.environ[_METRICS_FOLDER] = str(folder)
    os.environ[_WORKERS] = str(workers)


def worker_count() -> int:
    """Number of API workers that ``share_metrics`` has set; 1 by default."""
    return int(os.environ.get(_WORKERS, "1"))


def _dotenv() -> dict[str, str]:
    from dotenv import dotenv_values  # noqa: PLC0415 - only a report and a child process need it

    return {name: value for name, value in dotenv_values(".env").items() if value is not None}


def _unknown_variables(variables: Mapping[str, str]) -> dict[str, str]:
    variables_of_settings = {variable_of(field) for field in Settings.model_fields}
    return {
        name: "no such setting"
        for name in variables
        if name.startswith(PREFIX) and name not in variables_of_settings and not name.startswith("CDR_TEST_")
    }


def _validation_switches(environment: Mapping[str, str]) -> dict[str, str]:
    """Problems of Pandera's own variables, which can silently disable the checks of values."""
    problems: dict[str, str] = {}
    if environment.get("PANDERA_VALIDATION_ENABLED", "true").lower() in {"false", "0"}:
        problems["PANDERA_VALIDATION_ENABLED"] = "would let bad rows into the warehouse; unset it"
    if environment.get("PANDERA_VALIDATION_DEPTH", "SCHEMA_AND_DATA") == "SCHEMA_ONLY":
        problems["PANDERA_VALIDATION_DEPTH"] = "would let bad rows into the warehouse; unset it"
    return problems


def _source(variable: str, environment: Mapping[str, str], dotenv: Mapping[str, str]) -> str:
    names = {name.upper() for name in environment}
    if variable in names:
        return "environment"
    return ".env" if variable in {name.upper() for name in dotenv} else "default"


def _masked_value(field: str, settings: Settings | None) -> str:
    if settings is None:
        return "?"
    value = getattr(settings, field)
    if value is None:
        return ""
    return "********" if isinstance(value, SecretStr) else str(value)
