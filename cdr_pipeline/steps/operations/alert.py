"""An alert and its text, without personal data."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from cdr_pipeline.privacy.redaction import redact

RECOVERED: Final = "recovered"
# An alert that arrives later than this says when it was raised.
_LATE: Final = timedelta(minutes=5)
_LISTED: Final = 20
_SUBJECT_LENGTH: Final = 180
# Bytes.
LONGEST_TOPIC: Final = 1_000


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert for operators.

    Attributes:
        kind: stable identifier: ``night_failed``, ``check_red``, ``broken``, ``exposure``, ``recovered`` or ``test``.
        subject: subject in one line.
        lines: details, one line each.
        command: first command to run; empty when there is none.
        facts: identifiers for programs: run, date, asset.
        alert_id: identifies the alert in every channel; a receiver that has seen it can ignore it.
        raised_at: time at which it was raised, UTC; None if it is sent at once.
    """

    kind: str
    subject: str
    lines: tuple[str, ...] = ()
    command: str = ""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    alert_id: str = field(default_factory=lambda: uuid4().hex)
    raised_at: datetime | None = None

    def redacted(self) -> "Alert":
        """Copy of the alert with tokens, numbers and SIP users masked."""
        return replace(
            self,
            subject=redact(self.subject),
            lines=tuple(redact(line) for line in self.lines),
            facts={name: redact(value) for name, value in self.facts.items()},
        )

    def text(self, now: datetime | None = None) -> str:
        """Subject, details and the next command as plain text; with ``now``, also how late it is."""
        lines = [self.subject, *self.lines]
        if self.command:
            lines.append(f"next: {self.command}")
        if now is not None and self.raised_at is not None and now - self.raised_at > _LATE:
            lines.append(f"raised {self.raised_at:%Y-%m-%d %H:%M} UTC; delivered late")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong until it is found no more.

    Attributes:
        topic: stable name without counts; its first word says who reports it: ``problem``, ``check``, ``run``.
        line: what is wrong, in one line.
        cause: what makes it another incident under the same topic, which is told again.
        command: command that fixes it or shows its details.
        kind: kind of the alert.
        facts: identifiers for programs.
        watched_until: instant after which it is no longer looked for, so that its absence proves nothing.
    """

    topic: str
    line: str
    cause: str = ""
    command: str = "cdr-pipeline doctor"
    kind: str = "broken"
    facts: dict[str, str] = field(default_factory=dict[str, str])
    watched_until: datetime | None = None

    def __post_init__(self) -> None:
        """Cuts a topic that an index cannot hold; a hash keeps it apart from others with the same beginning."""
        encoded = self.topic.encode()
        if len(encoded) > LONGEST_TOPIC:
            kept = encoded[: LONGEST_TOPIC - 70].decode(errors="ignore")
            object.__setattr__(self, "topic", f"{kept} {hashlib.sha256(encoded).hexdigest()}")


# The kind of an alert about several incidents is the first of these.
_KINDS: Final = ("night_failed", "exposure", "broken", "check_red")


def alert_about(incidents: Sequence[Incident], now: datetime) -> Alert:
    """One alert about all incidents that were found at the same time.

    Args:
        incidents: at least one incident, the most important first.
        now: current time in UTC.
    """
    first = incidents[0]
    kinds = {item.kind for item in incidents}
    facts = {name: value for item in reversed(incidents) for name, value in item.facts.items()}
    return Alert(
        next((kind for kind in _KINDS if kind in kinds), first.kind),
        _subject(first.line, len(incidents)),
        tuple(f"{item.line} (next: {item.command})" for item in incidents[:_LISTED]) + _more(len(incidents)),
        first.command,
        facts | {"incidents": str(len(incidents))},
        raised_at=now,
    ).redacted()


def recovery_of(lines: Sequence[str], now: datetime) -> Alert:
    """One alert about all incidents that ended at the same time."""
    return Alert(
        RECOVERED,
        _subject(f"over: {lines[0]}", len(lines)),
        tuple(f"over: {line}" for line in lines[:_LISTED]) + _more(len(lines)),
        facts={"incidents": str(len(lines))},
        raised_at=now,
    ).redacted()


def _subject(line: str, count: int) -> str:
    short = line if len(line) <= _SUBJECT_LENGTH else f"{line[:_SUBJECT_LENGTH]}…"
    return f"{short} (and {count - 1} more)" if count > 1 else short


def _more(count: int) -> tuple[str, ...]:
    return (f"and {count - _LISTED} more",) if count > _LISTED else ()
