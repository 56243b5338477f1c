"""``cdr-pipeline webhooks``: addresses that changes of accounts are sent to."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.account_options import argument
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from datetime import datetime

webhooks_app = typer.Typer(help="Addresses that changes of accounts are sent to.", no_args_is_help=True)
_WEBHOOKS: Final = listing(
    "webhooks", "Webhooks", "id", "account", "receiver", "kinds", "label", "state", "position", "dead_letters",
    "delivered_at", "error", numbers=("position", "dead_letters"), titles={"delivered_at": "delivered"},
)  # fmt: skip
_DEAD: Final = listing(
    "dead_letters", "Dead letters", "change", "kind", "business_date", "attempts", "error", "failed_at",
    numbers=("change", "attempts"), titles={"business_date": "day", "failed_at": "failed"},
)  # fmt: skip


@webhooks_app.callback()
def _group() -> None:
    """Webhooks."""


@webhooks_app.command("add")
def add(
    account: Annotated[str, argument("Account whose changes are sent, by name or id.")],
    url: Annotated[str, typer.Argument(help="https address of the receiver.")],
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Only changes of this kind: records, sealed, restated, reconciled, decided; repeat for several."
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="Owner or purpose, shown in the list.")] = "",
    after: Annotated[int | None, typer.Option(min=0, help="Begin after this change; default: the newest.")] = None,
) -> None:
    """Register an address and show the secret of its signatures once."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.accounts.webhooks import WebhookRequest, register_webhook

    with run_context("registering") as ctx:
        hook = register_webhook(WebhookRequest(account, url, tuple(kind or ()), label, after), ctx)
    out.print(hook.secret, soft_wrap=True, markup=False)
    out.print(f"id {hook.webhook_id}; note the secret now, 'webhooks list' does not show it")


@webhooks_app.command("list")
@reports(_WEBHOOKS)
def list_all() -> None:
    """Show the webhooks, how far they are, and why one fails; never their secrets or paths."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.accounts.webhooks import host_of, state_of, webhooks_of
    from cdr_pipeline.warehouse.accounts.webhooks import names_of

    with run_context("reading") as ctx:
        hooks = webhooks_of(None, ctx)
    styles = {"working": "green", "failing": "yellow", "stopped": "red"}
    show(
        _WEBHOOKS,
        (
            (
                hook.webhook_id,
                hook.account_id,
                host_of(hook.url),
                names_of(hook.kinds),
                hook.label,
                Cell(state_of(hook), style=styles[state_of(hook)]),
                hook.position,
                hook.dead_letters,
                _moment(hook.delivered_at),
                hook.error or "",
            )
            for hook in hooks
        ),
        ctx,
    )


@webhooks_app.command("dead-letters")
@reports(_DEAD)
def dead_letters(webhook_id: Annotated[str, typer.Argument(help="Id of the webhook; see 'webhooks list'.")]) -> None:
    """Show changes that a webhook has not accepted after ten attempts."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.accounts.webhooks import dead_letters_of

    with run_context("reading") as ctx:
        letters = dead_letters_of(webhook_id, None, ctx)
    show(
        _DEAD,
        (
            (
                letter.change_no,
                letter.body["kind"],
                letter.body.get("business_date") or "",
                letter.attempts,
                letter.error,
                _moment(letter.failed_at),
            )
            for letter in letters
        ),
        ctx,
    )


@webhooks_app.command("replay")
def replay(
    webhook_id: Annotated[str, typer.Argument(help="Id of the webhook; see 'webhooks list'.")],
    *,
    after: Annotated[int | None, typer.Option(min=0, help="Also all changes after this number.")] = None,
) -> None:
    """Send dead letters again, and resume a webhook that was stopped."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.accounts.webhooks import replay_webhook

    with run_context("replaying") as ctx:
        hook = replay_webhook(webhook_id, None, after, ctx)
    out.print(f"{count_of(hook.dead_letters, 'dead letter')} to send again, then all changes after {hook.position}")
    out.print("'serve' sends them in the background, 'cdr-pipeline webhooks send' now")


@webhooks_app.command("remove")
def remove(webhook_id: Annotated[str, typer.Argument(help="Id of the webhook; see 'webhooks list'.")]) -> None:
    """Remove a webhook with its dead letters."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.accounts.webhooks import remove_webhook

    with run_context("removing") as ctx:
        remove_webhook(webhook_id, None, ctx)
    out.print("removed")


@webhooks_app.command("send")
def send() -> None:
    """Send the changes that are due, for cron where 'serve' does not run. Exits with 12 if a webhook fails."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import WebhookNotDelivered
    from cdr_pipeline.steps.accounts.send_webhooks import SentWebhooks, send_webhooks
    from cdr_pipeline.steps.accounts.webhooks import state_of, webhooks_of

    sent, more = SentWebhooks(), True
    with run_context("sending") as ctx:
        while more:
            turn = send_webhooks(ctx)
            sent, more = sent + turn, bool(turn.unfinished)
        failing = [hook.webhook_id for hook in webhooks_of(None, ctx) if state_of(hook) != "working"]
    out.print(f"accepted: {count_of(sent.accepted, 'change')}")
    if sent.failed or failing:
        raise WebhookNotDelivered(
            f"webhooks that do not accept changes: {', '.join(failing) or 'see the log'}",
            hint="'cdr-pipeline webhooks list' shows the causes",
        )


def _moment(moment: "datetime | None") -> Cell:
    return Cell(moment, f"{moment:%Y-%m-%d %H:%M}" if moment else "")
