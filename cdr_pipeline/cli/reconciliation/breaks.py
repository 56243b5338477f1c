"""``cdr-pipeline breaks``: what the switch and a carrier disagree about."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts, Owner
from cdr_pipeline.cli.dates import Only, chosen_range, day_option
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reconciliation import break_options as options
from cdr_pipeline.cli.reports import reports, show
from cdr_pipeline.errors.counts import count_of

breaks_app = typer.Typer(help="Differences between switch and carriers: list, decide, export.", no_args_is_help=True)
SHOWN_ID = 10
_BREAKS: Final = listing(
    "breaks", "Breaks", "id", "day", "days_old", "account", "carrier", "class", "cause", "switch_seconds",
    "carrier_seconds", "switch_amount", "carrier_amount", "exposure", "exposure_currency", "state", "decisions",
    "assignee",
    numbers=("days_old", "switch_seconds", "carrier_seconds", "switch_amount", "carrier_amount", "exposure"),
    titles={
        "switch_seconds": "our seconds", "carrier_seconds": "their seconds", "switch_amount": "our amount",
        "carrier_amount": "their amount", "exposure": "at risk", "exposure_currency": "", "assignee": "with",
    },
)  # fmt: skip
_BREAK: Final = listing(
    "break", "Break", "id", "day", "account", "carrier", "class", "cause", "detail", "expected_amount",
    "carrier_amount", "exposure", "exposure_currency", "state", "assignee", single=True, blocks=True,
    titles={"expected_amount": "expected", "carrier_amount": "charged", "exposure": "too much", "assignee": "with"},
)  # fmt: skip
_DECISIONS: Final = listing(
    "decisions", "Decisions", "no", "decision", "by", "at", "reason", "rule", numbers=("no",), sentences=("reason",),
    titles={"at": "at (UTC)"},
)  # fmt: skip
_NOTES: Final = listing(
    "notes", "Notes", "by", "at", "note", "assignee", sentences=("note",),
    titles={"at": "at (UTC)", "assignee": "in charge"},
)  # fmt: skip


@breaks_app.command("list")
@reports(_BREAKS)
def list_breaks(
    *,
    first: options.First = None,
    last: options.Last = None,
    day: Only = None,
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
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.reconciliation.breaks import list_breaks

    first, last = chosen_range(first, last, day)
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
    show(
        _BREAKS,
        (
            (
                Cell(item.outcome_id, item.outcome_id[:SHOWN_ID]),
                item.business_date,
                (today - item.business_date).days,
                item.account_id,
                item.carrier,
                item.match_class,
                item.cause or None,
                item.switch_seconds,
                item.carrier_seconds,
                item.switch_amount,
                item.carrier_amount,
                item.exposure,
                item.exposure_currency,
                Cell(item.state, f"{item.state} ({item.decision_no})" if item.decision_no else None),
                Cell(item.decision_no, ""),
                item.assignee or None,
            )
            for item in listed[:most]
        ),
        ctx,
    )
    out.print(f"{min(most, len(listed))} of {len(listed)} shown, most money at risk first; the pages have the calls")


@breaks_app.command("show")
@reports(_BREAK, _DECISIONS, _NOTES)
def show_one(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of a break or its first characters.")],
    account: Accounts = None,
) -> None:
    """Show a break with every decision and note about it."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.reconciliation.decisions import break_history

    with run_context("reading") as ctx:
        history = break_history(id_, ctx, account)
    item = history.item
    found = (
        item.outcome_id,
        item.business_date,
        item.account_id,
        item.carrier,
        item.match_class,
        item.cause or None,
        item.detail or None,
        item.expected_amount,
        item.carrier_amount,
        item.exposure,
        item.exposure_currency,
        item.state,
        item.assignee or None,
    )
    show(_BREAK, [found], ctx)
    if history.decisions:
        show(
            _DECISIONS,
            (
                (past.decision_no, past.decision, past.decided_by, past.decided_at, past.reason, past.rule_id)
                for past in history.decisions
            ),
        )
    if history.notes:
        show(_NOTES, ((note.noted_by, note.noted_at, note.note, note.assignee) for note in history.notes))


@breaks_app.command("export")
def export(
    *,
    business_date: Annotated[datetime, day_option("Business date")],
    account: Owner,
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
    out.print(f"{count_of(pack.breaks, 'break')}: {pack.workbook}", soft_wrap=True, markup=False)
    out.print(f"the same as CSV: {pack.csv_file}", soft_wrap=True, markup=False)
    if internal:
        out.print("internal: contains names and decisions; do not send it to the carrier", markup=False)
    if exported.left_out:
        out.print(
            f"{count_of(exported.left_out, 'disputed break')} left out: nothing is charged too much", markup=False
        )
    if exported.open:
        out.print(
            f"{count_of(exported.open, 'break')} without a decision left out; list them with:\n"
            f"  cdr-pipeline breaks list --from {business_date:%Y-%m-%d} --to {business_date:%Y-%m-%d}"
            f" --account {account} --carrier {carrier} --state open",
            soft_wrap=True,
            markup=False,
        )
