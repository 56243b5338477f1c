"""Channels of alerts: webhook, mail, and any service that Apprise knows. A channel sends once; the outbox repeats."""

import io
import logging
import re
import smtplib
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx2

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.files.extras import require_extra
from cdr_pipeline.privacy.redaction import RedactingFilter, hide
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.alert import RECOVERED, Alert

_SECONDS: Final = 10.0
# These answers say that the same request may succeed later.
_LATER: Final = frozenset({408, 409, 425, 429})
_SERVER_ERROR: Final = 500
_NO_TLS: Final = (
    "the server offers no STARTTLS, so the password in CDR_ALERT_SMTP_URL was not sent; use smtps://, or a URL "
    "without a user"
)
# Libraries that log complete URLs.
_TALKATIVE: Final = ("httpx2", "apprise", "urllib3.connectionpool")
# Apprise says why a service did not accept an alert only in its log, which all services share.
_ONE_SERVICE: Final = threading.Lock()
_STATUS: Final = re.compile(r"error=(\d{3})")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A failed attempt: cause without address, and whether the receiver refuses this alert for good."""

    cause: str
    permanent: bool = False


Send = Callable[[Alert, datetime], Rejection | None]


@dataclass(frozen=True, slots=True)
class Channel:
    """A configured channel: stable name, and a function that sends an alert and returns why it was not accepted."""

    name: str
    send: Send


def alert_channels(settings: Settings) -> tuple[Channel, ...]:
    """Configured channels: ``webhook``, ``mail``, and one per Apprise URL named after its service.

    Raises:
        ConfigurationError: a mail recipient is set but no mail server, or the extra of the services is not installed.
    """
    channels: list[Channel] = []
    if settings.alert_webhook_url is not None:
        channels.append(_webhook(settings.alert_webhook_url.get_secret_value()))
    if settings.alert_mail_to:
        if settings.alert_smtp_url is None:
            raise ConfigurationError(
                "CDR_ALERT_MAIL_TO is set, CDR_ALERT_SMTP_URL is not", hint="set smtp://host:port of a mail server"
            )
        channels.append(_mail(settings.alert_smtp_url.get_secret_value(), settings))
    if settings.alert_service_urls:
        require_extra("alerts", "CDR_ALERT_URLS")
    names: Counter[str] = Counter()
    for url in settings.alert_service_urls:
        service = re.sub(r"[^a-z0-9]", "", urlsplit(url).scheme.lower()) or "service"
        names[service] += 1
        channels.append(_service(service if names[service] == 1 else f"{service}-{names[service]}", url))
    return tuple(channels)


def _webhook(url: str) -> Channel:
    hide(url)

    def send(alert: Alert, now: datetime) -> Rejection | None:
        """Posts JSON: ``text`` for chat systems, the other keys for programs."""
        body = {
            "text": alert.text(now),
            "id": alert.alert_id,
            "kind": alert.kind,
            "subject": alert.subject,
            "lines": list(alert.lines),
            "mend": alert.command,
            "facts": alert.facts,
        }
        try:
            # The body of the response is not read: it has no meaning, and its size and speed are the receiver's choice.
            with (
                _without_addresses_in_logs(),
                httpx2.stream(
                    "POST", url, json=body, timeout=_SECONDS, headers={"Idempotency-Key": alert.alert_id}
                ) as response,
            ):
                return _refusal_of(response.status_code)
        except httpx2.HTTPError as error:
            return Rejection(_cause(error))

    return Channel("webhook", send)


def _refusal_of(status: int) -> Rejection | None:
    if status < 300:  # noqa: PLR2004 - the statuses of success
        return None
    return Rejection(f"HTTP {status}", permanent=status < _SERVER_ERROR and status not in _LATER)


def _cause(error: BaseException) -> str:
    """The innermost error of the operating system in plain words, else the type of the error. Never an address."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ConnectionRefusedError):
            return "connection refused"
        if isinstance(found, (TimeoutError, httpx2.TimeoutException)):
            return f"no answer within {_SECONDS:g} s"
        if isinstance(found, ssl.SSLCertVerificationError):
            return "the certificate cannot be trusted (SSLCertVerificationError)"
        found = found.__cause__ or found.__context__
    return type(error).__name__


def _mail(server_url: str, settings: Settings) -> Channel:
    url = urlsplit(server_url)
    host, port = url.hostname or "localhost", url.port or 0
    hide(unquote(url.password or ""))

    def deliver(message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        # The default context of smtplib does not verify certificates.
        trusted = ssl.create_default_context()
        connection = (
            smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=trusted)
            if url.scheme == "smtps"
            else smtplib.SMTP(host, port, timeout=_SECONDS)
        )
        with connection as server:
            server.ehlo()
            # With a password, starttls() raises when the server lacks it: an attacker may have removed the offer.
            if url.scheme == "smtp" and (url.username or server.has_extn("starttls")):
                server.starttls(context=trusted)
                server.ehlo()
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            return server.send_message(message)

    def send(alert: Alert, now: datetime) -> Rejection | None:
        message = EmailMessage()
        message["Subject"] = f"cdr-pipeline: {alert.subject}"
        message["From"] = settings.alert_mail_from
        message["To"] = settings.alert_mail_to or ""
        message["Message-ID"] = f"<{alert.alert_id}@cdr-pipeline>"
        message.set_content(alert.text(now))
        try:
            deliver(message)
        except smtplib.SMTPNotSupportedError:
            return Rejection(_NO_TLS, permanent=True)
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            return Rejection(f"no recipient is accepted: {min(codes)}", permanent=min(codes) >= _SERVER_ERROR)
        except smtplib.SMTPResponseException as error:
            return Rejection(f"SMTP {error.smtp_code}", permanent=error.smtp_code >= _SERVER_ERROR)
        except (smtplib.SMTPException, OSError) as error:
            return Rejection(_cause(error))
        return None

    return Channel("mail", send)


def _service(name: str, url: str) -> Channel:
    hide(url)

    def send(alert: Alert, now: datetime) -> Rejection | None:
        # Loading every service takes a second or two, so only a process that sends does it.
        import apprise  # noqa: PLC0415

        kind = {RECOVERED: apprise.NotifyType.SUCCESS, "test": apprise.NotifyType.INFO}.get(
            alert.kind, apprise.NotifyType.FAILURE
        )
        with _ONE_SERVICE, _without_addresses_in_logs(), _log_of("apprise") as log:
            service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
            if service is None:
                return Rejection(f"{name}:// is not a complete address of this service", permanent=True)
            if service.notify(body=alert.text(now), title=f"cdr-pipeline: {alert.subject}", notify_type=kind):
                return None
            status = _STATUS.search(log.getvalue())
        refusal = _refusal_of(int(status.group(1))) if status else None
        return refusal or Rejection("the service did not accept it or cannot be reached")

    return Channel(name, send)


@contextmanager
def _log_of(name: str) -> Generator[io.StringIO]:
    """Collects the lines of a logger."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    logging.getLogger(name).addHandler(handler)
    try:
        yield lines
    finally:
        logging.getLogger(name).removeHandler(handler)


@contextmanager
def _without_addresses_in_logs() -> Generator[None]:
    """Masks addresses in the lines of libraries, in processes whose logging this program does not set up as well."""
    masking = RedactingFilter()
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(masking)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(masking)
