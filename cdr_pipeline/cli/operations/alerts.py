"""``cdr-pipeline alerts``: what was told, to whom, and what still waits."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show

if TYPE_CHECKING:
    from cdr_pipeline.settings import Settings
    from cdr_pipeline.steps.operations.alert_outbox import Outcome
    from cdr_pipeline.warehouse.ledger import AlertDelivery

alerts_app = typer.Typer(help="List, test and resend alerts.", no_args_is_help=True)
_ALERTS: Final = listing(
    "alerts", "Alerts", "alert_id", "raised_at", "subject", "channel", "state", "attempts", "next_try_at", "error",
    sentences=("subject", "state"),
    titles={"alert_id": "alert", "raised_at": "raised (UTC)", "subject": "what", "attempts": "", "next_try_at": ""},
)  # fmt: skip


@alerts_app.command("list")
@reports(_ALERTS)
def list_alerts(
    *,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that a channel has not accepted.")] = False,
    most: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Number of alerts.")] = 50,
) -> None:
    """Show the newest alerts: when they were raised, and whether each channel has accepted them.

    If the warehouse cannot be used, shows those of the folder 'alerts', which wait for it.
    """
    from cdr_pipeline.cli.terminal import out, ready_settings

    settings = ready_settings()
    found = [item for item in _listed(settings, most) if not waiting or item.state == "waiting"]
    if not found:
        out.print("no alert waits" if waiting else "no alert was raised")
        return
    show(
        _ALERTS,
        (
            (
                Cell(item.alert_id, item.alert_id[:8]),
                item.raised_at,
                item.subject,
                item.channel,
                Cell(item.state, _state_words(item)),
                Cell(item.attempts, ""),
                Cell(item.next_try_at, ""),
                Cell(item.error, ""),
            )
            for item in found
        ),
    )


def _state_words(item: "AlertDelivery") -> str:
    words = {"sent": "accepted", "withdrawn": "channel is not set any more"}.get(item.state)
    if words is not None:
        return words
    waits = f"waits, tried {item.attempts} times, next {item.next_try_at:%H:%M}"
    return f"{waits}: {item.error}" if item.error else waits


def _listed(settings: "Settings", most: int) -> "list[AlertDelivery]":
    from cdr_pipeline.cli.terminal import err
    from cdr_pipeline.errors import CdrError
    from cdr_pipeline.steps.operations.alert_outbox import in_spool
    from cdr_pipeline.steps.run_context import RunContext

    waiting = in_spool(settings)
    try:
        with RunContext.open(settings).ledger() as ledger:
            return [*waiting, *ledger.alerts.newest(most)]
    except CdrError as error:
        if not waiting:
            raise
        err.print(
            f"the warehouse cannot be used ({error.code}); these alerts are in {settings.alert_dir}", markup=False
        )
        return waiting


@alerts_app.command("test")
def send_test(
    *, channel: Annotated[str | None, typer.Option(help="Only this channel, such as webhook, mail or slack.")] = None
) -> None:
    """Send a test alert over every channel that is set, at once and without the warehouse."""
    from datetime import UTC, datetime

    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.errors import AlertNotSent, ConfigurationError
    from cdr_pipeline.steps.operations.alert import Alert
    from cdr_pipeline.steps.operations.alert_channels import alert_channels

    channels = [item for item in alert_channels(ready_settings()) if channel in (None, item.name)]
    if channel is not None and not channels:
        raise ConfigurationError(f"{channel} is not set", hint="'cdr-pipeline docs settings' lists CDR_ALERT_*")
    if not channels:
        out.print("no alert channel is set; see 'cdr-pipeline docs settings', variables CDR_ALERT_*")
        return
    alert = Alert("test", "This is a test: alerts arrive here.")
    refusals = {item.name: item.send(alert, datetime.now(UTC)) for item in channels}
    accepted = [name for name, refusal in refusals.items() if refusal is None]
    if accepted:
        out.print(f"sent by {', '.join(accepted)}")
    refused = [f"{name} ({refusal.cause})" for name, refusal in refusals.items() if refusal is not None]
    if refused:
        raise AlertNotSent(f"not accepted by {', '.join(refused)}", hint="correct CDR_ALERT_* and test again")


@alerts_app.command()
def retry(
    *, alert: Annotated[str | None, typer.Option(help="Only this alert, by its id or its beginning.")] = None
) -> None:
    """Send every alert that waits, now instead of after its pause. Exits with 12 if one is still not accepted.

    Without a daemon, run it from cron every few minutes: nothing else repeats an alert that 'nightly' could not send.
    """
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.errors import AlertNotSent, ConfigurationError
    from cdr_pipeline.steps.operations.alert_channels import alert_channels
    from cdr_pipeline.steps.operations.alert_outbox import send_waiting

    settings = ready_settings()
    if not alert_channels(settings):
        raise ConfigurationError("no alert channel is set", hint="'cdr-pipeline docs settings' lists CDR_ALERT_*")
    outcome: Outcome = send_waiting(settings, alert_id=alert)
    if outcome.accepted:
        out.print(f"accepted by {', '.join(outcome.accepted)}")
    if outcome.waiting:
        causes = ", ".join(
            f"{name} ({cause or 'claimed by another process'})" for name, cause in outcome.waiting.items()
        )
        raise AlertNotSent(f"still not accepted by {causes}", hint="'cdr-pipeline alerts list --waiting' shows them")
    if not outcome.accepted:
        out.print("no alert waits")
