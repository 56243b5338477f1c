"""``cdr-pipeline deliver`` and ``deliveries list``: files of sealed days on their way to others."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts
from cdr_pipeline.cli.listings import listing
from cdr_pipeline.cli.reports import reports, show
from cdr_pipeline.errors.counts import count_of

deliveries_app = typer.Typer(help="Deliveries that are due, and receipts.", no_args_is_help=True)
_SENT: Final = listing(
    "files", "Delivered files", "target", "file", "outcome", "age_seconds", "receipt", "failure",
    sentences=("failure",), titles={"age_seconds": "due for"},
)  # fmt: skip
_DELIVERIES: Final = listing(
    "deliveries", "Deliveries", "target", "file", "state", "age_seconds", "attempts", "error_code", "receipt",
    numbers=("attempts",), titles={"age_seconds": "age", "error_code": "reason"},
)  # fmt: skip
_STATES = ("pending", "refused", "delivered")


@reports(_SENT)
def deliver(
    *,
    target: Annotated[list[str] | None, typer.Option(help="Only this target; repeat for several.")] = None,
    account: Accounts = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Also send what was refused or delivered before; existing files are never replaced."
        ),
    ] = False,
) -> None:
    """Send files of sealed days to the targets in targets.toml. Exits with 8 if one did not arrive; it stays due."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.errors import DeliveryError
    from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files

    with run_context("delivering") as ctx:
        files = deliver_files(DeliverRequest(account, target, again), ctx)
    show(
        _SENT,
        (
            (
                item.target,
                item.path,
                item.outcome,
                item.age,
                item.receipt,
                item.failure.message if item.failure else None,
            )
            for item in files
        ),
    )
    missing = [item for item in files if item.outcome != "delivered"]
    if missing:
        named = ", ".join(f"{item.path} at {item.target}" for item in missing)
        raise DeliveryError(
            f"{count_of(len(missing), 'file')} did not arrive: {named}",
            hint="'cdr-pipeline deliveries list' shows what waits",
        )


@deliveries_app.command("list")
@reports(_DELIVERIES)
def list_deliveries(
    *,
    account: Accounts = None,
    state: Annotated[str | None, typer.Option(help="Only pending, refused or delivered.")] = None,
) -> None:
    """Show deliveries: what waits and for how long, what was refused and why, what arrived."""
    from cdr_pipeline.cli.terminal import run_context

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        files = ledger.deliveries.list_all(accounts, [state] if state else _STATES)
    now = ctx.clock()
    show(
        _DELIVERIES,
        (
            (item.target, item.path, item.state, item.age(now), item.attempts, item.error_code, item.receipt)
            for item in files
        ),
    )
