"""Alerts that are raised while the warehouse cannot be reached: one file each, sent from here, stored later.

A file holds the alert, its topics and what has become of it on each channel. When the warehouse is back, the files are
moved into its outbox. One process of this machine works in the folder at a time.
"""

import dataclasses
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cdr_pipeline.files.lock import file_lock
from cdr_pipeline.steps.operations.alert import Alert, Incident

_SUFFIX: Final = ".json"


@dataclass(slots=True)
class SpooledDelivery:
    """What has become of an alert on a channel."""

    next_try_at: datetime
    attempts: int = 0
    sent_at: datetime | None = None
    error: str | None = None


@dataclass(slots=True)
class SpooledAlert:
    """An alert in a file: its incidents, and its deliveries by channel.

    Attributes:
        alert: the alert.
        incidents: what it is about.
        deliveries: what has become of it, by channel.
        path: its file; None if the file could not be written, so that it is sent but not remembered.
    """

    alert: Alert
    incidents: tuple[Incident, ...]
    deliveries: dict[str, SpooledDelivery] = field(default_factory=dict[str, SpooledDelivery])
    path: Path | None = None

    def save(self) -> None:
        """Writes the file, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        if self.path is None:
            return
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(dataclasses.asdict(self) | {"path": None}, default=str), encoding="utf-8")
        draft.replace(self.path)

    def remove(self) -> None:
        """Deletes the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


@contextmanager
def opened(folder: Path) -> Generator[None]:
    """Holds the lock of the folder, which is created if it does not exist.

    Raises:
        OSError: the folder cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / ".lock"):
        yield


def spooled(folder: Path) -> list[SpooledAlert]:
    """Alerts in the folder, oldest first; a file that cannot be read is left alone."""
    found: list[SpooledAlert] = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            found.append(_read(path))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def spool(folder: Path, alert: Alert, incidents: Sequence[Incident], channels: Sequence[str]) -> SpooledAlert:
    """Writes a new alert for these channels; due at once. If it cannot be written, it has no file."""
    now = alert.raised_at
    if now is None:
        raise ValueError("an alert in the spool has a time")
    stamp = f"{now:%Y%m%dT%H%M%S}-{alert.alert_id}{_SUFFIX}"
    new = SpooledAlert(alert, tuple(incidents), {name: SpooledDelivery(now) for name in channels}, folder / stamp)
    try:
        new.save()
    except OSError:
        new.path = None
    return new


def has_alerts(folder: Path) -> bool:
    """Whether the folder holds alerts."""
    return folder.is_dir() and next(folder.glob(f"*{_SUFFIX}"), None) is not None


def _read(path: Path) -> SpooledAlert:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    alert = document["alert"]
    return SpooledAlert(
        Alert(**alert | {"lines": tuple(alert["lines"]), "raised_at": datetime.fromisoformat(alert["raised_at"])}),
        tuple(Incident(**item | {"watched_until": _instant(item["watched_until"])}) for item in document["incidents"]),
        {
            name: SpooledDelivery(
                datetime.fromisoformat(item["next_try_at"]), item["attempts"], _instant(item["sent_at"]), item["error"]
            )
            for name, item in document["deliveries"].items()
        },
        path,
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
