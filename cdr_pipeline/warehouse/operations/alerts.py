"""The outbox of alerts: open topics, alerts, and their deliveries by channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class OpenTopic:
    """Something that is wrong and about which an alert was raised."""

    topic: str
    cause: str
    line: str
    watched_until: datetime | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedAlert:
    """An alert that this process may send on a channel; ``attempts`` counts this attempt."""

    alert_id: str
    kind: str
    subject: str
    lines: list[str]
    command: str
    facts: dict[str, str]
    raised_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class WaitingAlerts:
    """Alerts that a channel has not accepted yet."""

    channel: str
    alerts: int
    since: datetime
    next_try_at: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """An alert and what has become of it on a channel."""

    alert_id: str
    kind: str
    subject: str
    raised_at: datetime
    channel: str
    state: str
    attempts: int
    next_try_at: datetime
    sent_at: datetime | None
    error: str | None


class AlertTable(LedgerTables):
    """The tables ``alert_topics``, ``alerts`` and ``alert_deliveries``."""

    def lock(self) -> None:
        """Waits until no other process raises alerts; holds the lock until the transaction ends."""
        self.statements.execute("operations/lock_alerts")

    def open_topics(self) -> list[OpenTopic]:
        """Everything that is wrong as far as alerts were raised about it, oldest first."""
        return self.statements.records(OpenTopic, "operations/open_topics")

    def open_topic(self, topic: str, *, cause: str, line: str, watched_until: datetime | None, now: datetime) -> None:
        """Notes that an alert was raised about a topic."""
        self.statements.execute(
            "operations/open_topic", topic=topic, cause=cause, line=line, watched_until=watched_until, now=now
        )

    def close_topic(self, topic: str) -> None:
        """Forgets a topic that is over."""
        self.statements.execute("operations/close_topic", topic=topic)

    def store(
        self,
        alert_id: str,
        *,
        kind: str,
        subject: str,
        lines: Sequence[str],
        command: str,
        facts: Mapping[str, str],
        raised_at: datetime,
    ) -> None:
        """Stores an alert."""
        self.statements.execute(
            "operations/raise_alert",
            alert_id=alert_id,
            kind=kind,
            subject=subject,
            lines=list(lines),
            command=command,
            facts=Jsonb(dict(facts)),
            raised_at=raised_at,
        )

    def queue(
        self,
        alert_id: str,
        channel: str,
        *,
        raised_at: datetime,
        next_try_at: datetime,
        state: str = "waiting",
        attempts: int = 0,
        sent_at: datetime | None = None,
        error: str | None = None,
    ) -> None:
        """Queues an alert for a channel; changes nothing if it is already queued."""
        self.statements.execute(
            "operations/queue_delivery",
            alert_id=alert_id,
            channel=channel,
            raised_at=raised_at,
            state=state,
            attempts=attempts,
            next_try_at=next_try_at,
            sent_at=sent_at,
            error=error,
        )

    def claim(self, channel: str, *, now: datetime, claimed_until: datetime) -> ClaimedAlert | None:
        """Claims the oldest alert that is due on a channel; None if there is none."""
        found = self.statements.records(
            ClaimedAlert, "operations/claim_delivery", channel=channel, now=now, claimed_until=claimed_until
        )
        return found[0] if found else None

    def sent(self, alert_id: str, channel: str, *, now: datetime) -> None:
        """Records that a channel has accepted an alert."""
        self.statements.execute("operations/mark_sent", alert_id=alert_id, channel=channel, now=now)

    def postpone(self, alert_id: str, channel: str, *, next_try_at: datetime, error: str, all_waiting: bool) -> None:
        """Records a failed attempt; with ``all_waiting``, the other alerts of the channel wait as long."""
        self.statements.execute(
            "operations/postpone_delivery", alert_id=alert_id, channel=channel, next_try_at=next_try_at, error=error
        )
        if all_waiting:
            self.statements.execute(
                "operations/postpone_channel", channel=channel, next_try_at=next_try_at, error=error
            )

    def withdraw_others(self, channels: Sequence[str]) -> None:
        """Stops waiting for channels that are not among the configured ones."""
        self.statements.execute("operations/withdraw_deliveries", channels=list(channels))

    def retry(self, *, now: datetime, alert_id: str | None = None) -> int:
        """Makes waiting deliveries due now, of one alert or of all. Returns their number."""
        return self.statements.execute("operations/retry_deliveries", alert_id=alert_id, now=now)

    def waiting(self) -> list[WaitingAlerts]:
        """Alerts that are not accepted yet, by channel."""
        return self.statements.records(WaitingAlerts, "operations/waiting_alerts")

    def newest(self, most: int) -> list[AlertDelivery]:
        """The newest alerts with their channels."""
        return self.statements.records(AlertDelivery, "operations/list_alerts", most=most)

    def forget(self, before: datetime) -> None:
        """Deletes alerts raised before an instant that no channel waits for."""
        self.statements.execute("operations/forget_alerts", before=before)
