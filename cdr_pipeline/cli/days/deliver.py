"""``cdr-pipeline deliver`` and ``deliveries list``: files of sealed days on their way to others."""

from typing import Annotated

import typer

deliveries_app = typer.Typer(help="Deliveries that are due, and receipts.", no_args_is_help=True)
_ACCOUNTS = typer.Option("--account", help="Only this account; repeat for several.")
_STATES = ("pending", "refused", "delivered")


def deliver(
    *,
    target: Annotated[list[str] | None, typer.Option(help="Only this target; repeat for several.")] = None,
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Also send what was refused or delivered before; existing files are never replaced."
        ),
    ] = False,
) -> None:
    """Send files of sealed days to the targets in targets.toml. Exits with 8 if one did not arrive; it stays due."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.errors import DeliveryError
    from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files

    with run_context("delivering") as ctx:
        files = deliver_files(DeliverRequest(account, target, again), ctx)
    listing = table("Delivered files", "target", "file", "outcome", "due for", "receipt or reason")
    for item in files:
        detail = item.failure.message if item.failure else item.receipt or ""
        listing.add_row(item.target, item.path, item.outcome, str(item.age).partition(".")[0], detail)
    out.print(listing)
    missing = [item for item in files if item.outcome != "delivered"]
    if missing:
        named = ", ".join(f"{item.path} at {item.target}" for item in missing)
        raise DeliveryError(
            f"{len(missing)} file(s) did not arrive: {named}", hint="'cdr-pipeline deliveries list' shows what waits"
        )


@deliveries_app.command("list")
def list_deliveries(
    *,
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
    state: Annotated[str | None, typer.Option(help="Only pending, refused or delivered.")] = None,
) -> None:
    """Show deliveries: what waits and for how long, what was refused and why, what arrived."""
    from cdr_pipeline.cli.terminal import out, run_context, table

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        files = ledger.deliveries.list_all(accounts, [state] if state else _STATES)
    listing = table("Deliveries", "target", "file", "state", "age", "attempts", "receipt or reason")
    for item in files:
        listing.add_row(
            item.target,
            item.path,
            item.state,
            str(item.age(ctx.clock())).partition(".")[0],
            str(item.attempts),
            item.error_code or item.receipt or "",
        )
    out.print(listing)
