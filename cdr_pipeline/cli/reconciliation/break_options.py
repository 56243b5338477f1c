"""Options that select breaks, shared by the commands of ``cdr-pipeline breaks``."""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from cdr_pipeline.cli import account_options
from cdr_pipeline.cli.dates import day_option, require_order

if TYPE_CHECKING:
    from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria
    from cdr_pipeline.steps.reconciliation.breaks import BreakFilter

First = Annotated[datetime | None, day_option("First business date", "--from")]
Last = Annotated[datetime | None, day_option("Last business date", "--to")]
Accounts = account_options.Accounts
Carrier = Annotated[str | None, typer.Option(help="Only this carrier.")]
Classes = Annotated[
    list[str] | None, typer.Option("--class", help="Only this class, such as missing_in_switch; repeat for several.")
]
Causes = Annotated[
    list[str] | None, typer.Option("--cause", help="Only this cause, such as increment; repeat for several.")
]
Destination = Annotated[str | None, typer.Option(help="Only this destination.")]
States = Annotated[
    list[str] | None, typer.Option("--state", help="open, accepted, disputed or credited; repeat for several.")
]
Below = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Only less than this, too much or too little.")]
AtLeast = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Only if at least this is charged too much.")]
Currency = Annotated[str | None, typer.Option(metavar="CODE", help="Only amounts in this currency.")]
By = Annotated[str, typer.Option(help="Person responsible; recorded in the audit log.")]
Reason = Annotated[str, typer.Option(help="Reason; stored with the decision.")]

STATES = ("open", "accepted", "disputed", "credited")


def amount(text: str | None, option: str) -> Decimal | None:
    """An amount of an option. Raises BadParameter if it is none."""
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise typer.BadParameter("give an amount such as 0.001", param_hint=option)
    return value


def criteria(
    *,
    carrier: str | None,
    classes: list[str] | None,
    causes: list[str] | None,
    destination: str | None,
    below: str | None,
    at_least: str | None,
    currency: str | None,
) -> "BreakCriteria":
    """Criteria of the options. Raises BadParameter for an unknown class, cause or amount."""
    from cdr_pipeline.core.reconcile.classify.classes import CAUSES, CLASSES
    from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria

    breaks = [item.value for item in CLASSES if item.is_break]
    _require_known(classes, breaks, "--class")
    _require_known(causes, [item.value for item in CAUSES], "--cause")
    return BreakCriteria(
        carrier,
        tuple(classes or ()),
        tuple(causes or ()),
        destination,
        amount(below, "--below"),
        amount(at_least, "--at-least"),
        currency.upper() if currency else None,
    )


def break_filter(
    chosen: "BreakCriteria",
    *,
    first: datetime | None,
    last: datetime | None,
    accounts: list[str] | None,
    states: list[str] | None,
    older_than: int = 0,
    assignee: str | None = None,
) -> "BreakFilter":
    """Filter of the options. Raises BadParameter for an unknown state."""
    from cdr_pipeline.steps.reconciliation.breaks import BreakFilter

    require_order(first, last)
    _require_known(states, STATES, "--state")
    return BreakFilter(
        accounts,
        chosen.carrier,
        first.date() if first else date.min,
        last.date() if last else date.max,
        chosen.classes,
        states or (),
        older_than,
        chosen.causes,
        chosen.destination,
        chosen.below,
        chosen.at_least,
        chosen.currency,
        assignee,
    )


def _require_known(values: list[str] | None, known: "list[str] | tuple[str, ...]", option: str) -> None:
    unknown = [value for value in values or () if value not in known]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(known)}", param_hint=option)
