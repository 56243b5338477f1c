"""Sends alerts to operators by webhook and mail, with retries and without personal data."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import httpx2
import stamina

from cdr_pipeline.errors import AlertNotSent, ConfigurationError
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = 20.0
_ATTEMPTS: Final = 3
_NO_TLS: Final = (
    "the server offers no STARTTLS, so the password in CDR_ALERT_SMTP_URL was not sent; use smtps://, or a URL "
    "without a user"
)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert for operators.

    Attributes:
        kind: stable identifier: ``night_failed``, ``check_red``, ``broken``, ``exposure`` or ``test``.
        subject: subject in one line.
        lines: details, one line each.
        command: first command to run; empty when there is none.
        facts: identifiers for programs: run, date, asset.
    """

    kind: str
    subject: str
    lines: tuple[str, ...] = ()
    command: str = ""
    facts: dict[str, str] = field(default_factory=dict[str, str])

    def redacted(self) -> "Alert":
        """Copy of the alert with tokens, numbers and SIP users masked."""
        return Alert(
            self.kind,
            redact(self.subject),
            tuple(redact(line) for line in self.lines),
            self.command,
            {name: redact(value) for name, value in self.facts.items()},
        )


def alert_channels(settings: Settings) -> tuple[str, ...]:
    """Configured channels: ``webhook``, ``mail``, both or none.

    Raises:
        ConfigurationError: a mail recipient is set but no mail server.
    """
    if settings.alert_mail_to and settings.alert_smtp_url is None:
        raise ConfigurationError(
            "CDR_ALERT_MAIL_TO is set, CDR_ALERT_SMTP_URL is not", hint="set smtp://host:port of a mail server"
        )
    webhook = ("webhook",) if settings.alert_webhook_url is not None else ()
    return (*webhook, "mail") if settings.alert_mail_to else webhook


def send_alert(alert: Alert, settings: Settings) -> tuple[str, ...]:
    """Sends the alert to every channel. Returns the channels that accepted it.

    Raises:
        AlertNotSent: a channel failed on every attempt; the other channels have received the alert.
    """
    senders: dict[str, Callable[[Alert, Settings], None]] = {"webhook": _post, "mail": _mail}
    redacted, refused = alert.redacted(), list[str]()
    channels = alert_channels(settings)
    for channel in channels:
        try:
            for attempt in stamina.retry_context(
                on=(httpx2.HTTPError, smtplib.SMTPException, OSError), attempts=_ATTEMPTS, wait_initial=0.5
            ):
                with attempt:
                    senders[channel](redacted, settings)
        except smtplib.SMTPNotSupportedError:
            refused.append(f"{channel} ({_NO_TLS})")
        except (httpx2.HTTPError, smtplib.SMTPException, OSError) as error:
            refused.append(f"{channel} ({type(error).__name__})")
    if refused:
        raise AlertNotSent(
            f"not taken by {', '.join(refused)}", hint="'cdr-pipeline doctor --test-alert' tries the channels"
        )
    return channels


def _post(alert: Alert, settings: Settings) -> None:
    """Posts JSON: ``text`` for chat systems, the other keys for programs."""
    url = settings.alert_webhook_url
    if url is None:
        return
    body = {
        "text": _text(alert),
        "kind": alert.kind,
        "subject": alert.subject,
        "lines": list(alert.lines),
        "mend": alert.command,
        "facts": alert.facts,
    }
    httpx2.post(url.get_secret_value(), json=body, timeout=_SECONDS).raise_for_status()


def _mail(alert: Alert, settings: Settings) -> None:
    server_url = settings.alert_smtp_url
    if server_url is None:
        return
    message = EmailMessage()
    message["Subject"] = f"cdr-pipeline: {alert.subject}"
    message["From"] = settings.alert_mail_from
    message["To"] = settings.alert_mail_to or ""
    message.set_content(_text(alert))
    url = urlsplit(server_url.get_secret_value())
    host, port = url.hostname or "localhost", url.port or 0
    # The default context of smtplib does not verify certificates.
    trusted = ssl.create_default_context()
    connection = (
        smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=trusted)
        if url.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=_SECONDS)
    )
    with connection as server:
        server.ehlo()
        # If a password is set, starttls() raises when the server lacks it: an attacker may have removed the offer.
        if url.scheme == "smtp" and (url.username or server.has_extn("starttls")):
            server.starttls(context=trusted)
            server.ehlo()
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(message)


def _text(alert: Alert) -> str:
    lines = [alert.subject, *alert.lines]
    if alert.command:
        lines.append(f"next: {alert.command}")
    return "\n".join(lines)
