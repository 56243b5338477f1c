"""``cdr-pipeline breaks``: decisions by id, filter, file, rule and credit note; notes and persons in charge."""

from collections import defaultdict
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts, Owner, several
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reconciliation import break_options as options
from cdr_pipeline.cli.reconciliation.breaks import SHOWN_ID, breaks_app
from cdr_pipeline.cli.reports import reports, show, titles
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from cdr_pipeline.core.reconcile.result.breaks import Break
    from cdr_pipeline.core.reconcile.result.decisions import DecisionRule
    from cdr_pipeline.steps.reconciliation.decisions import DecidedBreaks, SettledDay

rules_app = typer.Typer(help="Rules that decide breaks at every reconciliation.", no_args_is_help=True)
breaks_app.add_typer(rules_app, name="rules")
_MOST_SHOWN = 10
_RULES: Final = listing(
    "rules", "Rules", "id", "account", "breaks", "decision", "reason", "created_by", "created_at", "ended_at",
    "ended_by", sentences=("breaks", "reason"),
    titles={"created_by": "by", "created_at": "since", "ended_at": "ended", "ended_by": ""},
)  # fmt: skip
_Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of breaks or their first characters.")]


class DecisionWord(StrEnum):
    """What can be decided."""

    ACCEPTED = "accepted"
    DISPUTED = "disputed"
    CREDITED = "credited"
    OPEN = "open"


class RuleWord(StrEnum):
    """What a rule can decide."""

    ACCEPTED = "accepted"
    DISPUTED = "disputed"


@breaks_app.command("decide")
def decide(
    ids: _Ids = None,
    *,
    by: options.By,
    decision: Annotated[
        DecisionWord | None, typer.Option("--as", help="The decision; open withdraws the one before.")
    ] = None,
    reason: options.Reason = "",
    expected: Annotated[
        int, typer.Option(min=0, help="With ids: number of decisions that you know of; 0 for open breaks.")
    ] = 0,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="CSV with outcome_id, decision and decision_reason."),
    ] = None,
    first: options.First = None,
    last: options.Last = None,
    account: Accounts = None,
    carrier: options.Carrier = None,
    match_class: options.Classes = None,
    cause: options.Causes = None,
    destination: options.Destination = None,
    below: options.Below = None,
    at_least: options.AtLeast = None,
    currency: options.Currency = None,
    state: options.States = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With a filter: only show what would be decided.")] = False,
) -> None:
    """Record decisions about breaks: by id, by filter, or from a file.

    A filter selects open breaks unless --state says otherwise. Decisions survive reruns; earlier ones stay on record.
    A red day all of whose breaks are decided is settled: it can be sealed, and nothing complains about it.
    """
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.errors import InvalidDecision
    from cdr_pipeline.steps.reconciliation.breaks import list_breaks
    from cdr_pipeline.steps.reconciliation.decisions import decide_breaks, decide_from_file, decide_selected

    chosen = options.criteria(
        carrier=carrier,
        classes=match_class,
        causes=cause,
        destination=destination,
        below=below,
        at_least=at_least,
        currency=currency,
    )
    # With ids or a file, --account says whose breaks they are: those of two accounts can have one id.
    filtered = bool(first or last or state or not chosen.is_empty or (account and not ids and file is None))
    if sum((bool(ids), filtered, file is not None)) != 1:
        raise InvalidDecision(
            "choose breaks by id, by a filter, or from a file, and by one of them only",
            hint="such as --from 2026-03-02 --to 2026-03-02; 'cdr-pipeline breaks list' shows ids",
        )
    if file is None and decision is None:
        raise InvalidDecision("no decision given", hint="add --as accepted, disputed, credited or open")
    wanted = options.break_filter(chosen, first=first, last=last, accounts=account, states=state or ["open"])
    with run_context("deciding") as ctx:
        if file is not None:
            result = decide_from_file(file, ctx, decided_by=by, reason=reason, accounts=wanted.accounts)
        elif dry_run and filtered:
            _print_sums("would be decided", list_breaks(wanted, ctx))
            return
        elif filtered:
            result = decide_selected(
                wanted, ctx, decision=(decision or DecisionWord.OPEN).value, reason=reason, decided_by=by
            )
        else:
            result = decide_breaks(
                ids or [],
                ctx,
                decision=(decision or DecisionWord.OPEN).value,
                reason=reason,
                decided_by=by,
                expected=expected,
                accounts=wanted.accounts,
            )
    _print(f"{'decided' if decision is None else decision.value}", result)


@breaks_app.command("note")
def note(
    ids: Annotated[list[str], typer.Argument(help="Ids of breaks or their first characters.")],
    *,
    by: options.By,
    text: Annotated[str | None, typer.Option(help="The note.")] = None,
    assign: Annotated[str | None, typer.Option(metavar="NAME", help="Person in charge from now on.")] = None,
    account: Accounts = None,
) -> None:
    """Add a note to breaks, or put a person in charge of them. Both are in the page and in the internal pack."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.reconciliation.decisions import note_breaks

    with run_context("noting") as ctx:
        result = note_breaks(ids, ctx, noted_by=by, note=text, assignee=assign, accounts=account)
    out.print(f"noted for {count_of(len(result.breaks), 'break')}", markup=False)


@breaks_app.command("credit")
def credit(
    credit_note: Annotated[str, typer.Argument(metavar="NUMBER", help="Number of the credit note.")],
    *,
    account: Owner,
    carrier: Annotated[str, typer.Option(help="Carrier that gives the credit.")],
    amount: Annotated[str, typer.Option(help="Amount of the credit note, above 0.")],
    currency: Annotated[str, typer.Option(metavar="CODE", help="Currency of the amount.")],
    by: options.By,
    first: options.First = None,
    last: options.Last = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Close what the amount covers, oldest first; the rest stays disputed.")
    ] = False,
) -> None:
    """Record a credit note that was received: the disputed breaks that it covers become credited.

    The amount must be the sum of the disputed breaks of the days, unless --partial is given.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria
    from cdr_pipeline.steps.reconciliation.credit_notes import record_credit_note
    from cdr_pipeline.warehouse.reconciliation.decisions import CreditNote

    value = options.amount(amount, "--amount") or Decimal(0)
    if not value:
        raise typer.BadParameter("give an amount above 0", param_hint="--amount")
    unit = currency.upper()
    wanted = options.break_filter(
        BreakCriteria(carrier, currency=unit), first=first, last=last, accounts=[account], states=["disputed"]
    )
    received = CreditNote(account, carrier, credit_note, value, unit, Decimal(0))
    with run_context("recording") as ctx:
        used, result = record_credit_note(received, wanted, ctx, recorded_by=by, partial=partial)
    _print("credited", result)
    if used.used < used.amount:
        out.print(f"{used.amount - used.used:f} {unit} of the credit note cover no disputed break", markup=False)


@rules_app.command("add")
def add_rule(
    *,
    decision: Annotated[RuleWord, typer.Option("--as", help="What the rule decides.")],
    reason: options.Reason,
    by: options.By,
    account: Annotated[
        list[str] | None, several("Account of the rule, by name or id; repeat for several; default: all active ones.")
    ] = None,
    carrier: options.Carrier = None,
    match_class: options.Classes = None,
    cause: options.Causes = None,
    destination: options.Destination = None,
    below: options.Below = None,
    at_least: options.AtLeast = None,
    currency: options.Currency = None,
) -> None:
    """Add a rule. It decides the open breaks that it covers now, and new ones at every reconciliation.

    Unpriced charges are covered only with --class unpriced. People's decisions are never changed by a rule.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.reconciliation import decision_rules

    chosen = options.criteria(
        carrier=carrier,
        classes=match_class,
        causes=cause,
        destination=destination,
        below=below,
        at_least=at_least,
        currency=currency,
    )
    with run_context("adding") as ctx:
        rules, result = decision_rules.add_rule(
            chosen, ctx, decision=decision.value, reason=reason, created_by=by, accounts=account
        )
    for rule in rules:
        owner = titles([rule.account_id], ctx)
        out.print(f"rule {rule.rule_id}, account {owner}: {_rule_words(rule)}", soft_wrap=True, markup=False)
    _print(decision.value, result)


@rules_app.command("list")
@reports(_RULES)
def list_rules(
    *,
    account: Accounts = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also rules that are not in force any more.")] = False,
) -> None:
    """Show the rules in the order in which they apply; the first one that covers a break decides it."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.reconciliation import decision_rules

    with run_context("reading") as ctx:
        rules = decision_rules.list_rules(ctx, account, ended=ended)
    show(
        _RULES,
        (
            (
                rule.rule_id,
                rule.account_id,
                rule.criteria.words(),
                rule.decision,
                rule.reason,
                rule.created_by,
                Cell(rule.created_at, f"{rule.created_at:%Y-%m-%d}"),
                Cell(rule.ended_at, f"{rule.ended_at:%Y-%m-%d}" if rule.ended_at else None),
                Cell(rule.ended_by, f"by {rule.ended_by}" if rule.ended_by else None),
            )
            for rule in rules
        ),
        ctx,
    )


@rules_app.command("end")
def end_rule(
    rule_id: Annotated[str, typer.Argument(metavar="RULE", help="Id of the rule.")],
    *,
    by: options.By,
    reason: Annotated[str, typer.Option(help="Reason; recorded in the audit log.")],
) -> None:
    """End a rule. It decides nothing any more; its decisions stay and can be replaced."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.reconciliation import decision_rules

    with run_context("ending") as ctx:
        decision_rules.end_rule(rule_id, ctx, ended_by=by, reason=reason)
    out.print(f"rule {rule_id} has ended", markup=False)


def _rule_words(rule: "DecisionRule") -> str:
    return f"{rule.criteria.words()}: {rule.decision}"


def _print(decided: str, result: "DecidedBreaks") -> None:
    """What was decided, and what that means for the days."""
    from cdr_pipeline.cli.terminal import err, out

    for item in result.breaks[:_MOST_SHOWN]:
        out.print(f"{item.outcome_id[:SHOWN_ID]} {item.match_class}: {decided}", markup=False)
    _print_sums(decided, result.breaks)
    for failure in result.failures:
        err.print(f"the page was not written again: [{failure.code}] {failure.message}", markup=False)
    by_account_day: dict[tuple[date, str], list[str]] = defaultdict(list)
    for item in result.days:
        by_account_day[item.day.business_date, item.day.account_id].append(item.light)
        if item.light == "red":
            day = item.day.business_date
            out.print(f"{day} {item.day.carrier}: red; {_remedy(item)}", soft_wrap=True, markup=False)
    for (day, account_id), lights in by_account_day.items():
        if "settled" in lights and "red" not in lights:
            out.print(
                f"{day}: settled, every break of account {account_id} is decided. The day can be sealed. If"
                " 'cdr-pipeline up' runs, Dagster's check shows it within a minute.",
                soft_wrap=True,
                markup=False,
            )


def _remedy(day: "SettledDay") -> str:
    """What settles a red day."""
    from cdr_pipeline.steps.operations.remedies import dismiss_command, settle_command

    date, account = day.day.business_date, day.day.account_id
    if day.open_breaks:
        return f"{count_of(day.open_breaks, 'break')} without a decision:\n  {settle_command(date, account)}"
    if day.rejected_lines:
        return (
            f"{count_of(day.rejected_lines, 'line')} of the carrier's files cannot be read; correct them ('cdr-pipeline"
            f" rejects list') or close them:\n  {dismiss_command(date, account)}"
        )
    return (
        "nothing verifies the charges: give the profile a rate_card, or set compare_amounts = false, then:\n"
        f"  cdr-pipeline reconcile --date {date}"
    )


def _print_sums(words: str, breaks: "Sequence[Break]") -> None:
    from cdr_pipeline.cli.terminal import out

    money: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for item in breaks:
        money[item.exposure_currency][0] += max(item.exposure, Decimal(0))
        money[item.exposure_currency][1] += max(-item.exposure, Decimal(0))
    sums = "; ".join(
        f"{much.normalize():f} {unit} too much" + (f", {little.normalize():f} {unit} too little" if little else "")
        for unit, (much, little) in sorted(money.items())
    )
    out.print(f"{count_of(len(breaks), 'break')} {words}{': ' + sums if sums else ''}", markup=False)
