"""Decides breaks: by id, by filter and from a file. Writes their pages again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final, NamedTuple

from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.core.reconcile.result.decisions import (
    Choice,
    DecisionSum,
    day_light,
    undecided,
)
from cdr_pipeline.errors import BreakNotFound, DecisionConflict, InvalidDecision
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.decision_file import read_decisions
from cdr_pipeline.steps.reconciliation.reconciliation_report import refresh_reports
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.reconciliation.decisions import CreditNote, NewDecision, PastDecision, PastNote
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay

# Minimum length of the beginning of an id. Shorter ones are usually typing errors.
_SHORTEST_ID: Final = 6
_MOST_MATCHES: Final = 50
SHOWN_ID: Final = 10
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class SettledDay:
    """A carrier's day after decisions.

    Attributes:
        day: account, carrier and business date.
        open_breaks: breaks without a decision.
        light: green, red or settled.
        rejected_lines: lines of the carrier's files that cannot be read.
    """

    day: CarrierDay
    open_breaks: int
    light: str
    rejected_lines: int = 0


@dataclass(frozen=True, slots=True)
class DecidedBreaks:
    """Result of decisions.

    Attributes:
        breaks: the breaks as they were before.
        days: the days of the carriers concerned, as they are now.
        failures: pages that could not be written again; the decisions are recorded.
    """

    breaks: list[Break]
    days: list[SettledDay] = field(default_factory=list[SettledDay])
    failures: list[AccountFailure] = field(default_factory=list[AccountFailure])


@dataclass(frozen=True, slots=True)
class BreakHistory:
    """A break with everything that was decided and noted about it."""

    item: Break
    decisions: list[PastDecision]
    notes: list[PastNote]


def decide_breaks(
    ids: Sequence[str],
    ctx: RunContext,
    *,
    decision: Choice,
    reason: str,
    decided_by: str,
    expected: int = 0,
    accounts: Sequence[str] | None = None,
) -> DecidedBreaks:
    """Records a decision about breaks in one transaction, or nothing.

    A decision applies only to the break as it was listed. If amount, class or partner change, it is a new, open break.

    Args:
        ids: ids of breaks, or their first characters.
        ctx: settings, warehouse, clock and progress callback.
        decision: the decision; ``open`` withdraws the one before.
        reason: stored with the decision.
        decided_by: person who decides.
        expected: number of decisions about each break that the person knows of.
        accounts: accounts of the breaks; all when omitted. Breaks of two accounts can have one id.

    Raises:
        BreakNotFound: an id matches no break of the newest versions, or more than one.
        DecisionConflict: there are other decisions than the person knows of.
        InvalidDecision: reason or person is missing.
    """
    with ctx.ledger() as ledger:
        breaks = _found(ids, ledger, accounts)
        decisions = [Intent(item, expected, decision, reason) for item in breaks]
        return decide(decisions, ledger, ctx, decided_by=decided_by)


def decide_listed(
    listed: Mapping[tuple[str, str], int],
    ctx: RunContext,
    *,
    accounts: Sequence[str],
    decision: Choice,
    reason: str,
    decided_by: str,
) -> DecidedBreaks:
    """Records a decision about breaks as a person saw them in a list, in one transaction, or nothing.

    Args:
        listed: number of decisions about each break that the list showed, by account and id of the break.
        ctx: settings, warehouse, clock and progress callback.
        accounts: accounts that the person sees; breaks of others are not found.
        decision: the decision; ``open`` withdraws the one before.
        reason: stored with the decision.
        decided_by: person who decides.

    Raises:
        BreakNotFound: an id matches no break of the newest versions of these accounts.
        DecisionConflict: another person decided one of them meanwhile.
        InvalidDecision: reason or person is missing.
    """
    with ctx.ledger() as ledger:
        seen = frozenset(accounts)
        breaks = [
            item
            for account_id, outcome_id in listed
            for item in _found([outcome_id], ledger, [account_id] if account_id in seen else [])
        ]
        decisions = [Intent(item, listed[item.account_id, item.outcome_id], decision, reason) for item in breaks]
        return decide(decisions, ledger, ctx, decided_by=decided_by)


def decide_selected(
    wanted: BreakFilter, ctx: RunContext, *, decision: Choice, reason: str, decided_by: str
) -> DecidedBreaks:
    """Records a decision about all breaks that a filter selects, in one transaction, or nothing.

    Raises:
        AccountNotFound: an account of the filter is not registered.
        DecisionConflict: another person decided one of them meanwhile.
        InvalidDecision: reason or person is missing.
    """
    breaks = list_breaks(wanted, ctx)
    with ctx.ledger() as ledger:
        decisions = [Intent(item, item.decision_no, decision, reason) for item in breaks]
        return decide(decisions, ledger, ctx, decided_by=decided_by)


def decide_from_file(
    path: Path, ctx: RunContext, *, decided_by: str, reason: str = "", accounts: Sequence[str] | None = None
) -> DecidedBreaks:
    """Records the decisions of a CSV file in one transaction, or nothing. Rows without a decision are skipped.

    Columns: ``outcome_id`` and ``decision``; optionally ``decision_reason``, and ``decisions``, the number of decisions
    about the break when the file was made. The internal pack has these columns.

    Args:
        path: the file.
        ctx: settings, warehouse, clock and progress callback.
        decided_by: person who decides.
        reason: reason of rows that have none.
        accounts: accounts of the breaks; all when omitted. Breaks of two accounts can have one id.

    Raises:
        BreakNotFound: an id matches no break of the newest versions.
        DecisionConflict: there are other decisions than the file knows of.
        InvalidDecision: the file cannot be read, or a row lacks a valid decision or a reason; names the line.
    """
    rows = read_decisions(path, reason)
    with ctx.ledger() as ledger:
        breaks = _found([row.outcome_id for row in rows], ledger, accounts)
        by_id = {item.outcome_id: item for item in breaks}
        decisions = [
            Intent(item, row.expected, row.decision, row.reason)
            for row in rows
            for item in by_id.values()
            if item.outcome_id.startswith(row.outcome_id)
        ]
        return decide(decisions, ledger, ctx, decided_by=decided_by)


def break_history(id_: str, ctx: RunContext, accounts: Sequence[str] | None = None) -> BreakHistory:
    """A break with all decisions and notes, of these accounts or of all. Raises BreakNotFound."""
    with ctx.ledger() as ledger:
        item = _found([id_], ledger, accounts)[0]
        ids = [item.outcome_id]
        return BreakHistory(
            item, ledger.decisions.of(item.account_id, ids), ledger.decisions.notes(item.account_id, ids)
        )


def note_breaks(
    ids: Sequence[str],
    ctx: RunContext,
    *,
    noted_by: str,
    note: str | None = None,
    assignee: str | None = None,
    accounts: Sequence[str] | None = None,
) -> DecidedBreaks:
    """Adds a note to breaks of these accounts or of all, or puts a person in charge of them.

    Raises:
        BreakNotFound: an id matches no break of the newest versions, or more than one.
        InvalidDecision: there is neither note nor person in charge, or no author.
    """
    note, assignee = (note or "").strip() or None, (assignee or "").strip() or None
    if not (note or assignee) or not noted_by.strip():
        raise InvalidDecision(
            "a note needs a text or a person in charge, and its author", hint="give --text or --assign"
        )
    with ctx.ledger() as ledger:
        breaks = _found(ids, ledger, accounts)
        with ledger.transaction():
            for account_id, outcome_id in sorted({(item.account_id, item.outcome_id) for item in breaks}):
                ledger.decisions.add_note(
                    account_id, outcome_id, note=note, assignee=assignee, noted_by=noted_by.strip(), now=ctx.clock()
                )
        return changed_days(breaks, ledger, ctx)


class Intent(NamedTuple):
    """A decision about a break, and the number of its decisions that is expected."""

    item: Break
    expected: int
    decision: Choice
    reason: str


class _ChangedMeanwhile(Exception):
    """Rolls the transaction back: a break has other decisions than expected."""


def decide(
    intents: Sequence[Intent],
    ledger: Ledger,
    ctx: RunContext,
    *,
    decided_by: str,
    credit_note: CreditNote | None = None,
) -> DecidedBreaks:
    """Records decisions, and the credit note that is their reason, in one transaction.

    Raises:
        DecisionConflict: another person decided one of the breaks meanwhile.
        InvalidDecision: a reason or the person is missing, or the credit note is on record.
    """
    unique = {(intent.item.account_id, intent.item.outcome_id): intent for intent in intents}
    for intent in unique.values():
        require_person(intent.reason, decided_by)
    decisions = [
        NewDecision(account_id, outcome_id, intent.expected, intent.decision, intent.reason.strip())
        for (account_id, outcome_id), intent in unique.items()
    ]
    actor, now = decided_by.strip(), ctx.clock()
    try:
        with ledger.transaction():
            if credit_note:
                _record(credit_note, ledger, recorded_by=actor, now=now)
            number = credit_note.credit_note if credit_note else None
            if ledger.decisions.add(decisions, decided_by=actor, now=now, credit_note=number) < len(decisions):
                raise _ChangedMeanwhile  # noqa: TRY301 - rolls the transaction back
            decided = Counter(
                (intent.item.account_id, intent.item.business_date, intent.item.carrier) for intent in unique.values()
            )
            for (account_id, day, carrier), breaks in sorted(decided.items()):
                details = {"carrier": carrier, "breaks": breaks}
                ledger.changes.add(account_id, "decided", [day], now=now, details=details)
    except _ChangedMeanwhile:
        raise _conflict(decisions, ledger) from None
    return changed_days([intent.item for intent in intents], ledger, ctx)


def _record(note: CreditNote, ledger: Ledger, *, recorded_by: str, now: datetime) -> None:
    if not ledger.decisions.add_credit_note(note, recorded_by=recorded_by, now=now):
        raise InvalidDecision(
            f"credit note {note.credit_note} of {note.carrier} is on record; nothing was recorded",
            hint="'cdr-pipeline breaks list --state credited' shows the breaks that it closed",
        )


def _conflict(decisions: Sequence[NewDecision], ledger: Ledger) -> DecisionConflict:
    """Names who decided what; reads the decisions after the transaction was rolled back."""
    known = {(item.account_id, item.outcome_id): item.expected for item in decisions}
    by_account: dict[str, list[str]] = defaultdict(list)
    for account_id, outcome_id in known:
        by_account[account_id].append(outcome_id)
    newest: dict[tuple[str, str], PastDecision] = {}
    for account_id, ids in by_account.items():
        newest |= {(account_id, past.outcome_id): past for past in ledger.decisions.of(account_id, ids)}
    other = [past for key, past in newest.items() if past.decision_no != known[key]]
    named = "; ".join(
        f"{past.outcome_id[:SHOWN_ID]} is {past.decision} by {'rule ' + past.rule_id if past.rule_id else 'a person'}"
        f" since {past.decided_at:%Y-%m-%d %H:%M} UTC (decision {past.decision_no})"
        for past in other[:_NAMED]
    )
    more = f" and {len(other) - _NAMED} more" if len(other) > _NAMED else ""
    first = other[0] if other else None
    return DecisionConflict(
        f"decided meanwhile: {named or 'a break has fewer decisions than expected'}{more}; nothing was decided",
        hint=(
            f"'cdr-pipeline breaks show {first.outcome_id[:SHOWN_ID]}' has the reasons; to replace the decision, add"
            f" --expected {first.decision_no}"
            if first
            else "list the breaks again"
        ),
    )


def changed_days(breaks: Sequence[Break], ledger: Ledger, ctx: RunContext) -> DecidedBreaks:
    """The decided breaks, with the states of their days; writes the pages of these days again."""
    days = sorted(
        {CarrierDay(item.account_id, item.carrier, item.business_date) for item in breaks},
        key=lambda day: (day.business_date, day.account_id, day.carrier),
    )
    failures = refresh_reports(days, ledger, ctx)
    return DecidedBreaks(list(breaks), [settled_day(day, ledger) for day in days], failures)


def settled_day(day: CarrierDay, ledger: Ledger) -> SettledDay:
    """State of a carrier's day after decisions."""
    stored = ledger.versions.newest(day)
    open_breaks = undecided(ledger.decisions.sums(day.account_id, day.business_date, day.carrier))
    if stored is None:
        return SettledDay(day, open_breaks, "green")
    version = stored.version
    light = day_light(version.light, breaks=version.breaks, open_breaks=open_breaks, unverified=version.unverified)
    return SettledDay(day, open_breaks, light, version.rejected_lines)


def day_sums(account_id: str, business_date: date, ctx: RunContext, carrier: str | None = None) -> list[DecisionSum]:
    """Breaks of a day by carrier, decision and currency."""
    with ctx.ledger() as ledger:
        return ledger.decisions.sums(account_id, business_date, carrier)


def _found(ids: Iterable[str], ledger: Ledger, accounts: Sequence[str] | None = None) -> list[Break]:
    """The breaks of ids, in all accounts or in the given ones; one that two carriers' days share counts in both."""
    account_ids = [account.account_id for account in ledger.accounts.all()] if accounts is None else accounts
    breaks: list[Break] = []
    for wanted in ids:
        matches = (
            ledger.reconciliations.breaks(account_ids, id_prefix=wanted, most=_MOST_MATCHES)
            if len(wanted) >= _SHORTEST_ID
            else []
        )
        found = {(item.account_id, item.outcome_id) for item in matches}
        if len(found) > 1 and len({outcome_id for _, outcome_id in found}) == 1:
            raise BreakNotFound(
                f"{len(found)} accounts have a break {wanted!r}; nothing was decided",
                hint=f"add --account: {', '.join(sorted(account_id for account_id, _ in found))}",
            )
        if len(found) != 1:
            raise BreakNotFound(
                f"{count_of(len(matches), 'break')} with an id that begins with {wanted!r}; nothing was decided",
                hint=f"'cdr-pipeline breaks list' shows ids; give at least {_SHORTEST_ID} characters",
            )
        breaks += matches
    return breaks


def require_person(reason: str, person: str) -> None:
    """Raises InvalidDecision: the reason or the person is missing."""
    if not (reason.strip() and person.strip()):
        raise InvalidDecision("a decision needs a reason and the person responsible", hint="give --reason and --by")
