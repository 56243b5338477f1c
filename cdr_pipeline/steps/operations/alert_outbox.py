"""Raises alerts about what is new or over, and delivers them on every channel: at least once, without repeats.

Alerts are stored in the warehouse before anything is sent. A channel that does not accept an alert is tried again with
growing pauses, forever; the other channels do not wait for it. A process that dies after it has sent an alert and
before it has recorded that leaves a claim, and when the claim ends, the alert is sent once more under the same id.
While the warehouse cannot be reached, alerts are stored in a folder (``alert_spool``) and sent from there.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cdr_pipeline.errors import CdrError
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.alert import Alert, Incident, alert_about, recovery_of
from cdr_pipeline.steps.operations.alert_channels import Channel, Rejection, alert_channels
from cdr_pipeline.steps.operations.alert_spool import SpooledAlert, has_alerts, opened, spool, spooled
from cdr_pipeline.steps.run_context import Clock, RunContext, utc_now
from cdr_pipeline.warehouse.ledger import AlertDelivery, Ledger

# Longer than any channel takes to answer.
CLAIM: Final = timedelta(minutes=3)
_LONGEST_PAUSE_SECONDS: Final = 3600.0
_KEPT: Final = timedelta(days=90)
_OUTAGE: Final = "outage: warehouse"
_log = logging.getLogger(__name__)
# Topics that were told although no file could be written; kept only by this process.
_told_without_file: Final[dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of raising and delivering.

    Attributes:
        raised: number of new alerts.
        accepted: channels that accepted at least one alert.
        waiting: why the other channels did not accept theirs, by channel.
        spooled: whether the warehouse could not be reached, so that alerts are in the spool folder.
    """

    raised: int
    accepted: tuple[str, ...]
    waiting: dict[str, str]
    spooled: bool = False


def tell(
    settings: Settings,
    find: Callable[[RunContext], Sequence[Incident]],
    *,
    covers: Callable[[], tuple[str, ...]],
    without_warehouse: Sequence[Incident] = (),
    clock: Clock = utc_now,
    patience: timedelta = timedelta(),
) -> Outcome:
    """Raises one alert about new incidents and one about those that are over, then delivers everything that is due.

    Args:
        settings: channels, warehouse, spool folder.
        find: returns what is wrong now; called only if the warehouse can be used.
        covers: returns the beginnings of the topics that ``find`` has looked for. An open topic among them that it
            did not return is over.
        without_warehouse: what is wrong even if ``find`` cannot look.
        clock: returns the current time in UTC.
        patience: how long to repeat attempts on channels that do not answer.

    Raises:
        ConfigurationError: the settings of the channels are wrong.
    """
    channels = alert_channels(settings)
    if not channels:
        return Outcome(0, (), {})
    try:
        ctx = RunContext.open(settings, clock=clock)
        incidents = find(ctx)
        _adopt_spool(ctx)
        raised = _raise_alerts(ctx, incidents, covers=(*covers(), _OUTAGE), channels=channels)
        return deliver(ctx, channels, raised=raised, patience=patience)
    except CdrError as error:
        outage = Incident(
            _OUTAGE, f"the warehouse cannot be used: {redact(error.message)}", error.code,
            "cdr-pipeline warehouse status", facts={"code": error.code},
        )  # fmt: skip
        return _tell_without_warehouse(settings, (*without_warehouse, outage), channels, clock())


def raise_now(ctx: RunContext, alert: Alert, channels: Sequence[Channel]) -> None:
    """Stores an alert that is not about an incident, for these channels."""
    now = ctx.clock()
    with ctx.ledger() as ledger, ledger.transaction():
        _store(ledger, alert, channels, now)


def deliver(
    ctx: RunContext, channels: Sequence[Channel], *, raised: int = 0, patience: timedelta = timedelta()
) -> Outcome:
    """Sends everything that is due on each channel; a slow channel does not delay the others.

    Args:
        ctx: warehouse and clock.
        channels: configured channels; alerts for other ones are withdrawn.
        raised: number of alerts that were just raised, for the result.
        patience: how long to repeat attempts on channels that do not answer.
    """
    accepted: set[str] = set()
    give_up = time.monotonic() + patience.total_seconds()
    with ctx.ledger() as ledger:
        ledger.alerts.withdraw_others([channel.name for channel in channels])
        ledger.alerts.forget(ctx.clock() - _KEPT)
    while True:
        with ThreadPoolExecutor(len(channels) or 1) as threads:
            accepted |= {name for name, some in threads.map(lambda channel: _drain(ctx, channel), channels) if some}
        with ctx.ledger() as ledger:
            waiting = ledger.alerts.waiting()
        pause = min(((item.next_try_at - ctx.clock()).total_seconds() for item in waiting), default=0.0)
        if not waiting or time.monotonic() + max(pause, 0.1) > give_up:
            return Outcome(raised, tuple(sorted(accepted)), {item.channel: item.error or "" for item in waiting})
        time.sleep(max(pause, 0.1))


def pause_after(attempts: int, settings: Settings) -> timedelta:
    """Pause after a number of failed attempts: doubles from ``CDR_ALERT_RETRY_SECONDS`` up to one hour."""
    return timedelta(seconds=min(settings.alert_retry_seconds * 2 ** min(attempts - 1, 20), _LONGEST_PAUSE_SECONDS))


def _raise_alerts(
    ctx: RunContext, incidents: Sequence[Incident], *, covers: tuple[str, ...], channels: Sequence[Channel]
) -> int:
    now = ctx.clock()
    found = {item.topic: item for item in incidents}
    with ctx.ledger() as ledger, ledger.transaction():
        ledger.alerts.lock()
        known = {item.topic: item for item in ledger.alerts.open_topics()}
        new = [item for item in found.values() if item.topic not in known or known[item.topic].cause != item.cause]
        over = [item for item in known.values() if item.topic not in found and item.topic.startswith(covers)]
        for item in new:
            _open_topic(ledger, item, now)
        for item in over:
            ledger.alerts.close_topic(item.topic)
        # What is not looked for any more has not recovered.
        recovered = [item.line for item in over if item.watched_until is None or now < item.watched_until]
        alerts = [alert_about(new, now)] if new else []
        alerts += [recovery_of(recovered, now)] if recovered else []
        for alert in alerts:
            _store(ledger, alert, channels, now)
    return len(alerts)


def _open_topic(ledger: Ledger, item: Incident, now: datetime) -> None:
    line = redact(item.line)
    ledger.alerts.open_topic(item.topic, cause=item.cause, line=line, watched_until=item.watched_until, now=now)


def _store(ledger: Ledger, alert: Alert, channels: Sequence[Channel], now: datetime) -> None:
    _store_alert(ledger, alert, now)
    for channel in channels:
        ledger.alerts.queue(alert.alert_id, channel.name, raised_at=alert.raised_at or now, next_try_at=now)


def _store_alert(ledger: Ledger, alert: Alert, now: datetime) -> None:
    ledger.alerts.store(
        alert.alert_id,
        kind=alert.kind,
        subject=alert.subject,
        lines=alert.lines,
        command=alert.command,
        facts=alert.facts,
        raised_at=alert.raised_at or now,
    )


def _drain(ctx: RunContext, channel: Channel) -> tuple[str, bool]:
    """Sends what is due on a channel until nothing is left or it does not answer. Returns whether it accepted some."""
    some = False
    with ctx.ledger() as ledger:
        while True:
            now = ctx.clock()
            claimed = ledger.alerts.claim(channel.name, now=now, claimed_until=now + CLAIM)
            if claimed is None:
                return channel.name, some
            alert = Alert(
                claimed.kind, claimed.subject, tuple(claimed.lines), claimed.command, claimed.facts,
                claimed.alert_id, claimed.raised_at,
            )  # fmt: skip
            refusal = _attempt(channel, alert, now)
            if refusal is None:
                ledger.alerts.sent(alert.alert_id, channel.name, now=ctx.clock())
                some = True
                continue
            ledger.alerts.postpone(
                alert.alert_id,
                channel.name,
                next_try_at=ctx.clock() + pause_after(claimed.attempts, ctx.settings),
                error=refusal.cause,
                all_waiting=not refusal.permanent,
            )
            if not refusal.permanent:
                return channel.name, some


def _attempt(channel: Channel, alert: Alert, now: datetime) -> Rejection | None:
    try:
        refusal = channel.send(alert, now)
    except Exception as error:  # noqa: BLE001 - a fault of one channel must not stop the others
        refusal = Rejection(type(error).__name__)
    if refusal is not None:
        _log.warning("alert %s was not accepted by %s: %s", alert.alert_id, channel.name, redact(refusal.cause))
    return refusal


def _adopt_spool(ctx: RunContext) -> None:
    """Moves the alerts of the spool folder into the warehouse, with what has become of them. Can be repeated."""
    folder = ctx.settings.alert_dir
    _told_without_file.clear()
    if not has_alerts(folder):
        return
    with opened(folder):
        for item in spooled(folder):
            with ctx.ledger() as ledger, ledger.transaction():
                ledger.alerts.lock()
                _store_alert(ledger, item.alert, ctx.clock())
                for name, delivery in item.deliveries.items():
                    ledger.alerts.queue(
                        item.alert.alert_id,
                        name,
                        raised_at=item.alert.raised_at or ctx.clock(),
                        next_try_at=delivery.next_try_at,
                        state="waiting" if delivery.sent_at is None else "sent",
                        attempts=delivery.attempts,
                        sent_at=delivery.sent_at,
                        error=delivery.error,
                    )
                for incident in item.incidents:
                    _open_topic(ledger, incident, item.alert.raised_at or ctx.clock())
            item.remove()


def _tell_without_warehouse(
    settings: Settings, incidents: Sequence[Incident], channels: Sequence[Channel], now: datetime
) -> Outcome:
    folder = settings.alert_dir
    try:
        with opened(folder):
            return _spool_and_send(settings, incidents, channels, now)
    except OSError:
        # A full or missing disk: what cannot be stored is sent all the same, once by this process.
        new = [item for item in incidents if _told_without_file.get(item.topic) != item.cause]
        if not new:
            return Outcome(0, (), {}, spooled=True)
        alert = alert_about(new, now)
        refusals = {channel.name: _attempt(channel, alert, now) for channel in channels}
        if not all(refusals.values()):
            _told_without_file.update({item.topic: item.cause for item in new})
        accepted = tuple(name for name, refusal in refusals.items() if refusal is None)
        return Outcome(1, accepted, {name: item.cause for name, item in refusals.items() if item}, spooled=True)


def _spool_and_send(
    settings: Settings, incidents: Sequence[Incident], channels: Sequence[Channel], now: datetime
) -> Outcome:
    present = spooled(settings.alert_dir)
    known = {incident.topic: incident.cause for item in present for incident in item.incidents} | _told_without_file
    new = [item for item in incidents if item.topic not in known or known[item.topic] != item.cause]
    if new:
        present.append(spool(settings.alert_dir, alert_about(new, now), new, [channel.name for channel in channels]))
        if present[-1].path is None:
            _told_without_file.update({item.topic: item.cause for item in new})
    accepted: set[str] = set()
    waiting: dict[str, str] = {}
    for channel in channels:
        for item in present:
            delivery = item.deliveries.get(channel.name)
            if delivery is None or delivery.sent_at is not None:
                continue
            if delivery.next_try_at > now or channel.name in waiting:
                waiting.setdefault(channel.name, delivery.error or "")
                continue
            if _send_spooled(item, channel, settings, now):
                accepted.add(channel.name)
            else:
                waiting[channel.name] = delivery.error or ""
    return Outcome(int(bool(new)), tuple(sorted(accepted)), waiting, spooled=True)


def _send_spooled(item: SpooledAlert, channel: Channel, settings: Settings, now: datetime) -> bool:
    delivery = item.deliveries[channel.name]
    refusal = _attempt(channel, item.alert, now)
    delivery.attempts += 1
    if refusal is None:
        delivery.sent_at, delivery.error = now, None
    else:
        delivery.next_try_at = now + pause_after(delivery.attempts, settings)
        delivery.error = refusal.cause
    try:
        item.save()
    except OSError:
        # Without this, an alert that was sent and cannot be marked would be sent again with every look.
        item.remove()
        item.path = None
        _told_without_file.update({incident.topic: incident.cause for incident in item.incidents})
    return refusal is None


def send_waiting(settings: Settings, *, alert_id: str | None = None, clock: Clock = utc_now) -> Outcome:
    """Sends the alerts that wait, without regard to their pauses.

    Args:
        settings: channels, warehouse, spool folder.
        alert_id: only this alert, by the beginning of its id; None for all.
        clock: returns the current time in UTC.

    Raises:
        ConfigurationError: the settings of the channels are wrong.
        WarehouseError: the warehouse cannot be used, and the spool folder holds no alert.
    """
    channels = alert_channels(settings)
    try:
        ctx = RunContext.open(settings, clock=clock)
    except CdrError:
        if not has_alerts(settings.alert_dir):
            raise
        with opened(settings.alert_dir):
            for item in spooled(settings.alert_dir):
                for delivery in item.deliveries.values():
                    delivery.next_try_at = min(delivery.next_try_at, clock())
                item.save()
            return _spool_and_send(settings, (), channels, clock())
    _adopt_spool(ctx)
    with ctx.ledger() as ledger:
        ledger.alerts.retry(now=ctx.clock(), alert_id=alert_id)
    return deliver(ctx, channels)


def in_spool(settings: Settings) -> list[AlertDelivery]:
    """Deliveries of the alerts in the spool folder, newest first."""
    return [
        AlertDelivery(
            item.alert.alert_id,
            item.alert.kind,
            item.alert.subject,
            item.alert.raised_at or delivery.next_try_at,
            channel,
            "waiting" if delivery.sent_at is None else "sent",
            delivery.attempts,
            delivery.next_try_at,
            delivery.sent_at,
            delivery.error,
        )
        for item in reversed(spooled(settings.alert_dir) if settings.alert_dir.is_dir() else [])
        for channel, delivery in item.deliveries.items()
    ]
