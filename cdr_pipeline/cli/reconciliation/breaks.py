"""``cdr-pipeline breaks``: what the switch and a carrier disagree about."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cdr_pipeline.cli.dates import parse_day
from cdr_pipeline.cli.reconciliation import break_options as options

breaks_app = typer.Typer(help="Differences between switch and carriers: list, decide, export.", no_args_is_help=True)
SHOWN_ID = 10


@breaks_app.command("list")
def list_breaks(
    *,
    first: options.First = None,
    last: options.Last = None,
    account: options.Accounts = None,
    carrier: options.Carrier = None,
    match_class: options.Classes = None,
    cause: options.Causes = None,
    destination: options.Destination = None,
    below: options.Below = None,
    at_least: options.AtLeast = None,
    currency: options.Currency = None,
    state: options.States = None,
    assigned: Annotated[str | None, typer.Option(help="Only breaks that this person is in charge of.")] = None,
    older_than: Annotated[int, typer.Option(min=0, help="Only breaks of calls at least this many days old.")] = 0,
    most: Annotated[int, typer.Option(min=1, help="Maximum number of breaks to show.")] = 50,
) -> None:
    """Show breaks of the newest reconciliations, most money at risk first."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.steps.reconciliation.breaks import list_breaks

    chosen = options.criteria(
        carrier=carrier,
        classes=match_class,
        causes=cause,
        destination=destination,
        below=below,
        at_least=at_least,
        currency=currency,
    )
    wanted = options.break_filter(
        chosen, first=first, last=last, accounts=account, states=state, older_than=older_than, assignee=assigned
    )
    with run_context("reading") as ctx:
        listed = list_breaks(wanted, ctx)
        today = ctx.clock().date()
    numbers = frozenset({"days old", "seconds", "amounts", "at risk"})
    listing = table(
        "Breaks", "id", "day", "days old", "account", "carrier", "class", "cause", "seconds", "amounts", "at risk",
        "state", "with", numbers=numbers,
    )  # fmt: skip
    for item in listed[:most]:
        listing.add_row(
            item.outcome_id[:SHOWN_ID],
            str(item.business_date),
            str((today - item.business_date).days),
            item.account_id,
            item.carrier,
            item.match_class,
            item.cause or "",
            f"{_text(item.switch_seconds)} / {_text(item.carrier_seconds)}",
            f"{_text(item.switch_amount)} / {_text(item.carrier_amount)}",
            f"{_text(item.exposure)} {item.exposure_currency}",
            f"{item.state} ({item.decision_no})" if item.decision_no else item.state,
            item.assignee or "",
        )
    out.print(listing)
    out.print(
        f"{min(most, len(listed))} of {len(listed)} shown; switch / carrier; state with the number of decisions. "
        "The pages of the days have the calls."
    )


def _text(value: object) -> str:
    from decimal import Decimal

    return f"{value.normalize():f}" if isinstance(value, Decimal) else "none"


@breaks_app.command("show")
def show(id_: Annotated[str, typer.Argument(metavar="ID", help="Id of a break or its first characters.")]) -> None:
    """Show a break with every decision and note about it."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.steps.reconciliation.decisions import break_history

    with run_context("reading") as ctx:
        history = break_history(id_, ctx)
    item = history.item
    out.print(
        f"{item.outcome_id}\n{item.business_date}, account {item.account_id}, carrier {item.carrier}:"
        f" {item.match_class}{', ' + item.cause if item.cause else ''}{': ' + item.detail if item.detail else ''}\n"
        f"expected {_text(item.expected_amount)}, charged {_text(item.carrier_amount)},"
        f" too much {_text(item.exposure)} {item.exposure_currency}; {item.state}"
        f"{', with ' + item.assignee if item.assignee else ''}",
        markup=False,
        soft_wrap=True,
    )
    if history.decisions:
        listing = table("Decisions", "no", "decision", "by", "at, UTC", "reason", "rule", numbers=frozenset({"no"}))
        for past in history.decisions:
            listing.add_row(
                str(past.decision_no), past.decision, past.decided_by, f"{past.decided_at:%Y-%m-%d %H:%M}", past.reason,
                past.rule_id or "",
            )  # fmt: skip
        out.print(listing)
    if history.notes:
        listing = table("Notes", "by", "at, UTC", "note", "in charge")
        for note in history.notes:
            listing.add_row(note.noted_by, f"{note.noted_at:%Y-%m-%d %H:%M}", note.note or "", note.assignee or "")
        out.print(listing)


@breaks_app.command("export")
def export(
    *,
    business_date: Annotated[
        datetime,
        typer.Option(
            "--date", parser=parse_day, metavar="DAY", help="Business date: YYYY-MM-DD, today, yesterday or -N."
        ),
    ],
    account: Annotated[str, typer.Option(help="Account that owns the calls.")],
    carrier: Annotated[str, typer.Option(help="The carrier to dispute with.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder to write into.")] = Path(),
    undecided: Annotated[
        bool, typer.Option("--undecided", help="Also claim breaks without a decision, where too much is charged.")
    ] = False,
    internal: Annotated[
        bool, typer.Option("--internal", help="Write all breaks with decisions and notes. Not for the carrier.")
    ] = False,
) -> None:
    """Write the pack for the carrier: XLSX and CSV with the disputed breaks, both sides' values, rule and amounts.

    It never has calls that the carrier did not charge, charges that are too low, prices of the switch or names of
    customers. With --internal, the pack has all breaks and everything about them.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.reconciliation.breaks import PackRequest, export_breaks

    if undecided and internal:
        raise typer.BadParameter("the internal pack has all breaks; leave out --undecided")
    request = PackRequest(
        business_date.date(), account, carrier, folder.absolute(), undecided=undecided, internal=internal
    )
    with run_context("exporting") as ctx:
        exported = export_breaks(request, ctx)
    pack = exported.pack
    out.print(f"{pack.breaks} break(s): {pack.workbook}", soft_wrap=True, markup=False)
    out.print(f"the same as CSV: {pack.csv_file}", soft_wrap=True, markup=False)
    if internal:
        out.print("internal: contains names and decisions; do not send it to the carrier", markup=False)
    if exported.left_out:
        out.print(f"{exported.left_out} disputed break(s) left out: nothing is charged too much", markup=False)
    if exported.open:
        out.print(
            f"{exported.open} break(s) without a decision left out; list them with:\n"
            f"  cdr-pipeline breaks list --from {business_date:%Y-%m-%d} --to {business_date:%Y-%m-%d}"
            f" --account {account} --carrier {carrier} --state open",
            soft_wrap=True,
            markup=False,
        )
