"""``cdr-pipeline breaks``: what the switch and a carrier disagree about."""

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cdr_pipeline.cli.dates import parse_day, require_order

breaks_app = typer.Typer(help="Differences between switch and carriers: list, decide, export.", no_args_is_help=True)
_SHOWN_ID = 10


class DecisionWord(StrEnum):
    """What can be decided."""

    ACCEPTED = "accepted"
    DISPUTED = "disputed"
    CREDITED = "credited"


@breaks_app.command("list")
def list_breaks(
    *,
    first: Annotated[
        datetime | None, typer.Option("--from", parser=parse_day, metavar="DAY", help="First business date.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", parser=parse_day, metavar="DAY", help="Last business date.")
    ] = None,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; repeat for several.")] = None,
    carrier: Annotated[str | None, typer.Option(help="Only this carrier.")] = None,
    match_class: Annotated[
        list[str] | None,
        typer.Option("--class", help="Only this class, such as missing_in_switch; repeat for several."),
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option(help="open, accepted, disputed or credited; repeat for several.")
    ] = None,
    older_than: Annotated[int, typer.Option(min=0, help="Only breaks of calls at least this many days old.")] = 0,
    most: Annotated[int, typer.Option(min=1, help="Maximum number of breaks to show.")] = 50,
) -> None:
    """Show breaks of the newest reconciliations, most money at risk first."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks

    require_order(first, last)
    criteria = BreakFilter(
        account,
        carrier,
        first.date() if first else date.min,
        last.date() if last else date.max,
        match_class or (),
        state or (),
        older_than,
    )
    with run_context("reading") as ctx:
        listed = list_breaks(criteria, ctx)
        today = ctx.clock().date()
    numbers = frozenset({"days old", "seconds", "amounts", "at risk"})
    listing = table(
        "Breaks", "id", "day", "days old", "account", "carrier", "class", "cause", "seconds", "amounts", "at risk",
        "state", numbers=numbers,
    )  # fmt: skip
    for item in listed[:most]:
        listing.add_row(
            item.outcome_id[:_SHOWN_ID],
            str(item.business_date),
            str((today - item.business_date).days),
            item.account_id,
            item.carrier,
            item.match_class,
            item.cause or "",
            f"{_text(item.switch_seconds)} / {_text(item.carrier_seconds)}",
            f"{_text(item.switch_amount)} / {_text(item.carrier_amount)}",
            f"{_text(item.exposure)} {item.exposure_currency}",
            item.state,
        )
    out.print(listing)
    out.print(
        f"{min(most, len(listed))} of {len(listed)} shown; switch / carrier. The pages of the days have the calls."
    )


def _text(value: object) -> str:
    from decimal import Decimal

    return f"{value.normalize():f}" if isinstance(value, Decimal) else "none"


@breaks_app.command("decide")
def decide(
    ids: Annotated[list[str], typer.Argument(help="Ids of breaks or their first characters.")],
    *,
    decision: Annotated[DecisionWord, typer.Option("--as", help="The decision.")],
    reason: Annotated[str, typer.Option(help="Reason; stored with the decision.")],
    by: Annotated[str, typer.Option(help="Person who decided; stored with the decision.")],
) -> None:
    """Record a decision about breaks. Decisions survive reruns; earlier ones stay on record."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.reconciliation.breaks import decide_breaks, fully_decided_days

    with run_context("deciding") as ctx:
        decided = decide_breaks(ids, ctx, decision=decision.value, reason=reason, decided_by=by)
        complete = fully_decided_days(decided, ctx)
    for item in decided:
        out.print(f"{item.outcome_id[:_SHOWN_ID]} {item.match_class}: {decision.value}", markup=False)
    for day, account_id in complete:
        out.print(
            f"{day}: every break of account {account_id} has a decision. A red reconciliation stays red until its data "
            "is corrected. To seal the day as it is:\n"
            f"  cdr-pipeline days seal --date {day} --account {account_id} --override --by NAME --reason TEXT",
            soft_wrap=True,
            markup=False,
        )


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
