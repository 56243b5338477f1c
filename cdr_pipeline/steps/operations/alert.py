"""Alerts to the people who operate this: by webhook and by mail, tried several times, without personal data."""

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
    """What somebody has to know.

    Attributes:
        kind: stable identifier: ``night_failed``, ``check_red``, ``broken``, ``exposure`` or ``test``.
        subject: one line.
        lines: what happened, a line each.
        mend: the command to start with.
        facts: identifiers for programs: run, date, asset.
    """

    kind: str
    subject: str
    lines: tuple[str, ...] = ()
    mend: str = ""
    facts: dict[str, str] = field(default_factory=dict[str, str])

    def redacted(self) -> "Alert":
        """The same with everything masked that looks like a token, a number or a SIP user."""
        return Alert(
            self.kind,
            redact(self.subject),
            tuple(redact(line) for line in self.lines),
            self.mend,
            {name: redact(value) for name, value in self.facts.items()},
        )


def alert_channels(settings: Settings) -> tuple[str, ...]:
    """Where alerts go: ``webhook``, ``mail``, both or nowhere.

    Raises:
        ConfigurationError: mail has a receiver but no server.
    """
    if settings.alert_mail_to and settings.alert_smtp_url is None:
        raise ConfigurationError(
            "CDR_ALERT_MAIL_TO is set, CDR_ALERT_SMTP_URL is not", hint="set smtp://host:port of a mail server"
        )
    webhook = ("webhook",) if settings.alert_webhook_url is not None else ()
    return (*webhook, "mail") if settings.alert_mail_to else webhook


def send_alert(alert: Alert, settings: Settings) -> tuple[str, ...]:
    """Hands the alert to every channel; returns those that took it.

    Raises:
        AlertNotSent: a channel refused it each time it was tried; the others have been served.
    """
    senders: dict[str, Callable[[Alert, Settings], None]] = {"webhook": _post, "mail": _mail}
    said, refused = alert.redacted(), list[str]()
    channels = alert_channels(settings)
    for channel in channels:
        try:
            for attempt in stamina.retry_context(
                on=(httpx2.HTTPError, smtplib.SMTPException, OSError), attempts=_ATTEMPTS, wait_initial=0.5
            ):
                with attempt:
                    senders[channel](said, settings)
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
    """JSON that chat systems show as it is (``text``) and programs can read."""
    url = settings.alert_webhook_url
    if url is None:
        return
    body = {
        "text": _text(alert),
        "kind": alert.kind,
        "subject": alert.subject,
        "lines": list(alert.lines),
        "mend": alert.mend,
        "facts": alert.facts,
    }
    httpx2.post(url.get_secret_value(), json=body, timeout=_SECONDS).raise_for_status()


def _mail(alert: Alert, settings: Settings) -> None:
    place = settings.alert_smtp_url
    if place is None:
        return
    message = EmailMessage()
    message["Subject"] = f"cdr-pipeline: {alert.subject}"
    message["From"] = settings.alert_mail_from
    message["To"] = settings.alert_mail_to or ""
    message.set_content(_text(alert))
    url = urlsplit(place.get_secret_value())
    host, port = url.hostname or "localhost", url.port or 0
    # The library's own default checks no certificate.
    trusted = ssl.create_default_context()
    connection = (
        smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=trusted)
        if url.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=_SECONDS)
    )
    with connection as server:
        server.ehlo()
        # With a password it raises where the server offers no STARTTLS: an attacker may have removed the offer.
        if url.scheme == "smtp" and (url.username or server.has_extn("starttls")):
            server.starttls(context=trusted)
            server.ehlo()
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(message)


def _text(alert: Alert) -> str:
    lines = [alert.subject, *alert.lines]
    if alert.mend:
        lines.append(f"next: {alert.mend}")
    return "\n".join(lines)
