"""Decides breaks: by id, by filter, from a file, by rule, and by credit note. Writes their pages again."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

from cdr_pipeline.core.reconcile.result.breaks import Break, Decision
from cdr_pipeline.core.reconcile.result.decisions import (
    CHOICES,
    BreakCriteria,
    Choice,
    DecisionRule,
    DecisionSum,
    day_light,
    undecided,
)
from cdr_pipeline.errors import BreakNotFound, DecisionConflict, InvalidDecision
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.reconciliation_report import refresh_reports
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.reconciliation.decisions import CreditNote, NewDecision, PastDecision, PastNote
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay

# Minimum length of the beginning of an id. Shorter ones are usually typing errors.
_SHORTEST_ID: Final = 6
_MOST_MATCHES: Final = 50
_SHOWN_ID: Final = 10
_NAMED: Final = 3
_LONGEST_NUMBER: Final = 100


@dataclass(frozen=True, slots=True)
class SettledDay:
    """A carrier's day after decisions.

    Attributes:
        day: account, carrier and business date.
        open_breaks: breaks without a decision.
        light: green, red or settled.
    """

    day: CarrierDay
    open_breaks: int
    light: str


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
    ids: Sequence[str], ctx: RunContext, *, decision: Choice, reason: str, decided_by: str, expected: int = 0
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

    Raises:
        BreakNotFound: an id matches no break of the newest versions, or more than one.
        DecisionConflict: there are other decisions than the person knows of.
        InvalidDecision: reason or person is missing.
    """
    with ctx.ledger() as ledger:
        breaks = _found(ids, ledger)
        decisions = [_Intent(item, expected, decision, reason) for item in breaks]
        return _decide(decisions, ledger, ctx, decided_by=decided_by)


def decide_listed(
    listed: Mapping[str, int],
    ctx: RunContext,
    *,
    accounts: Sequence[str],
    decision: Choice,
    reason: str,
    decided_by: str,
) -> DecidedBreaks:
    """Records a decision about breaks as a person saw them in a list, in one transaction, or nothing.

    Args:
        listed: number of decisions about each break that the list showed, by id of the break.
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
        breaks = _found(listed, ledger, accounts)
        decisions = [_Intent(item, listed.get(item.outcome_id, 0), decision, reason) for item in breaks]
        return _decide(decisions, ledger, ctx, decided_by=decided_by)


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
        decisions = [_Intent(item, item.decision_no, decision, reason) for item in breaks]
        return _decide(decisions, ledger, ctx, decided_by=decided_by)


def decide_from_file(path: Path, ctx: RunContext, *, decided_by: str, reason: str = "") -> DecidedBreaks:
    """Records the decisions of a CSV file in one transaction, or nothing. Rows without a decision are skipped.

    Columns: ``outcome_id`` and ``decision``; optionally ``decision_reason``, and ``decisions``, the number of decisions
    about the break when the file was made. The internal pack has these columns.

    Args:
        path: the file.
        ctx: settings, warehouse, clock and progress callback.
        decided_by: person who decides.
        reason: reason of rows that have none.

    Raises:
        BreakNotFound: an id matches no break of the newest versions.
        DecisionConflict: there are other decisions than the file knows of.
        InvalidDecision: the file cannot be read, or a row lacks a valid decision or a reason; names the line.
    """
    rows = _read_decisions(path, reason)
    with ctx.ledger() as ledger:
        breaks = _found([row.outcome_id for row in rows], ledger)
        by_id = {item.outcome_id: item for item in breaks}
        decisions = [
            _Intent(item, row.expected, row.decision, row.reason)
            for row in rows
            for item in by_id.values()
            if item.outcome_id.startswith(row.outcome_id)
        ]
        return _decide(decisions, ledger, ctx, decided_by=decided_by)


def break_history(id_: str, ctx: RunContext) -> BreakHistory:
    """A break with all decisions and notes. Raises BreakNotFound."""
    with ctx.ledger() as ledger:
        item = _found([id_], ledger)[0]
        ids = [item.outcome_id]
        return BreakHistory(
            item, ledger.decisions.of(item.account_id, ids), ledger.decisions.notes(item.account_id, ids)
        )


def note_breaks(
    ids: Sequence[str], ctx: RunContext, *, noted_by: str, note: str | None = None, assignee: str | None = None
) -> DecidedBreaks:
    """Adds a note to breaks, or puts a person in charge of them.

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
        breaks = _found(ids, ledger)
        with ledger.transaction():
            for account_id, outcome_id in sorted({(item.account_id, item.outcome_id) for item in breaks}):
                ledger.decisions.add_note(
                    account_id, outcome_id, note=note, assignee=assignee, noted_by=noted_by.strip(), now=ctx.clock()
                )
        return _result(breaks, ledger, ctx)


def add_rule(
    criteria: BreakCriteria,
    ctx: RunContext,
    *,
    decision: Decision,
    reason: str,
    created_by: str,
    accounts: Sequence[str] | None = None,
) -> tuple[list[DecisionRule], DecidedBreaks]:
    """Adds a rule for each account, and applies it to the breaks that are open now.

    Args:
        criteria: breaks that the rule covers.
        ctx: settings, warehouse, clock and progress callback.
        decision: ``accepted`` or ``disputed``.
        reason: stored with each decision.
        created_by: person responsible; stored with each decision.
        accounts: ids of accounts; all active ones when omitted.

    Returns:
        The rules, and the breaks that they decided.

    Raises:
        AccountNotFound: an account is not registered.
        InvalidDecision: the rule covers everything, or reason or person is missing.
    """
    _require(reason, created_by)
    if decision == "credited":
        raise InvalidDecision("a rule accepts or disputes", hint="'cdr-pipeline breaks credit' records a credit note")
    if criteria.is_empty:
        raise InvalidDecision(
            "a rule without a criterion would decide every break",
            hint="give --carrier, --class, --cause, --destination, --below or --at-least",
        )
    with ctx.ledger() as ledger:
        now = ctx.clock()
        rules = [
            DecisionRule(
                account.account_id, uuid4().hex[:_SHOWN_ID], criteria, decision, reason.strip(), created_by.strip(), now
            )
            for account in ledger.accounts.active(accounts)
        ]
        before = {
            (item.account_id, item.outcome_id): item
            for item in ledger.reconciliations.breaks(
                [rule.account_id for rule in rules], criteria=criteria, states=["open"]
            )
        }
        with ledger.transaction():
            for rule in rules:
                ledger.decisions.add_rule(rule)
                ledger.decisions.apply(rule, now=now)
        after = _newest_by_rule(rules, before, ledger)
        return rules, _result(after, ledger, ctx)


def list_rules(ctx: RunContext, accounts: Sequence[str] | None = None, *, ended: bool = False) -> list[DecisionRule]:
    """Rules of accounts in the order in which they apply; with ``ended`` also those that are not in force any more."""
    with ctx.ledger() as ledger:
        rules = ledger.decisions.rules([account.account_id for account in ledger.accounts.active(accounts)])
    return [rule for rule in rules if ended or rule.ended_at is None]


def end_rule(rule_id: str, ctx: RunContext, *, ended_by: str, reason: str) -> None:
    """Ends a rule. Its decisions stay; withdraw them with ``decide_selected`` and ``open``.

    Raises:
        InvalidDecision: no rule in force has the id, or reason or person is missing.
    """
    _require(reason, ended_by)
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.all()]
        if not ledger.decisions.end_rule(
            account_ids, rule_id, ended_by=ended_by.strip(), reason=reason.strip(), now=ctx.clock()
        ):
            raise InvalidDecision(
                f"no rule in force has the id {rule_id!r}", hint="'cdr-pipeline breaks rules list' shows the ids"
            )


def apply_rules(day: CarrierDay, ledger: Ledger, ctx: RunContext) -> int:
    """Applies the rules in force to the open breaks of a carrier's day. Returns the number of breaks decided."""
    rules = [rule for rule in ledger.decisions.rules([day.account_id]) if rule.ended_at is None]
    return sum(ledger.decisions.apply(rule, now=ctx.clock(), day=day) for rule in rules)


def record_credit_note(
    note: CreditNote, wanted: BreakFilter, ctx: RunContext, *, recorded_by: str, partial: bool = False
) -> tuple[CreditNote, DecidedBreaks]:
    """Records a carrier's credit note and closes the disputed breaks that it covers, oldest first.

    Args:
        note: account, carrier, number, amount and currency of the note.
        wanted: which disputed breaks the note is for; account, carrier, currency and state are those of the note.
        ctx: settings, warehouse, clock and progress callback.
        recorded_by: person responsible.
        partial: whether the amount may differ from the disputed sum; breaks that it does not cover whole stay disputed.

    Returns:
        The note with the amount used, and the breaks that are credited now.

    Raises:
        AccountNotFound: the account is not registered.
        InvalidDecision: the number is too long or on record, or the amount differs from the sum of the disputed breaks.
        DecisionConflict: another person decided one of the breaks meanwhile.
    """
    _require(note.credit_note, recorded_by)
    if len(note.credit_note) > _LONGEST_NUMBER:
        raise InvalidDecision(f"the number of a credit note has at most {_LONGEST_NUMBER} characters")
    disputed = sorted(
        (item for item in list_breaks(wanted, ctx) if item.exposure > 0),
        key=lambda item: (item.business_date, item.call_started_at, item.outcome_id),
    )
    total = sum((item.exposure for item in disputed), Decimal(0))
    if note.amount != total and not partial:
        raise InvalidDecision(
            f"the credit note is of {_plain(note.amount)} {note.currency}, the {len(disputed)} disputed break(s) are"
            f" {_plain(total)} {note.currency}; nothing was recorded",
            hint="choose other days with --from and --to, or close what it covers, oldest first, with --partial",
        )
    covered: list[Break] = []
    left = note.amount
    for item in disputed:
        if item.exposure <= left:
            covered.append(item)
            left -= item.exposure
    if not covered:
        raise InvalidDecision(
            f"no disputed break is covered by {_plain(note.amount)} {note.currency}; nothing was recorded",
            hint="'cdr-pipeline breaks list --state disputed' shows them",
        )
    used = CreditNote(note.account_id, note.carrier, note.credit_note, note.amount, note.currency, note.amount - left)
    reason = f"credit note {note.credit_note}"
    decisions = [_Intent(item, item.decision_no, "credited", reason) for item in covered]
    with ctx.ledger() as ledger:
        return used, _decide(decisions, ledger, ctx, decided_by=recorded_by, credit_note=used)


class _Intent(NamedTuple):
    """A decision about a break, and the number of its decisions that is expected."""

    item: Break
    expected: int
    decision: Choice
    reason: str


class _ChangedMeanwhile(Exception):
    """Rolls the transaction back: a break has other decisions than expected."""


def _decide(
    intents: Sequence[_Intent],
    ledger: Ledger,
    ctx: RunContext,
    *,
    decided_by: str,
    credit_note: CreditNote | None = None,
) -> DecidedBreaks:
    unique = {(intent.item.account_id, intent.item.outcome_id): intent for intent in intents}
    for intent in unique.values():
        _require(intent.reason, decided_by)
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
    except _ChangedMeanwhile:
        raise _conflict(decisions, ledger) from None
    return _result([intent.item for intent in intents], ledger, ctx)


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
        f"{past.outcome_id[:_SHOWN_ID]} is {past.decision} by {'rule ' + past.rule_id if past.rule_id else 'a person'}"
        f" since {past.decided_at:%Y-%m-%d %H:%M} UTC (decision {past.decision_no})"
        for past in other[:_NAMED]
    )
    more = f" and {len(other) - _NAMED} more" if len(other) > _NAMED else ""
    first = other[0] if other else None
    return DecisionConflict(
        f"decided meanwhile: {named or 'a break has fewer decisions than expected'}{more}; nothing was decided",
        hint=(
            f"'cdr-pipeline breaks show {first.outcome_id[:_SHOWN_ID]}' has the reasons; to replace the decision, add"
            f" --expected {first.decision_no}"
            if first
            else "list the breaks again"
        ),
    )


def _result(breaks: Sequence[Break], ledger: Ledger, ctx: RunContext) -> DecidedBreaks:
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
    return SettledDay(day, open_breaks, light)


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
        if len({(item.account_id, item.outcome_id) for item in matches}) != 1:
            raise BreakNotFound(
                f"{len(matches) or 'no'} break(s) have an id that begins with {wanted!r}; nothing was decided",
                hint=f"'cdr-pipeline breaks list' shows ids; give at least {_SHORTEST_ID} characters",
            )
        breaks += matches
    return breaks


def _newest_by_rule(
    rules: Sequence[DecisionRule], before: Mapping[tuple[str, str], Break], ledger: Ledger
) -> list[Break]:
    """The breaks that were open before and that the rules have decided."""
    own = {rule.rule_id for rule in rules}
    after = (
        ledger.reconciliations.breaks(
            [rule.account_id for rule in rules], criteria=rules[0].criteria, states=[rules[0].decision]
        )
        if rules
        else []
    )
    return [item for item in after if item.rule_id in own and (item.account_id, item.outcome_id) in before]


def _require(reason: str, person: str) -> None:
    if not (reason.strip() and person.strip()):
        raise InvalidDecision("a decision needs a reason and the person responsible", hint="give --reason and --by")


@dataclass(frozen=True, slots=True)
class _Row:
    outcome_id: str
    decision: Choice
    reason: str
    expected: int


def _read_decisions(path: Path, reason: str) -> list[_Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidDecision(
            f"{path.name} cannot be read: {type(error).__name__}", hint="give a CSV file in UTF-8"
        ) from error
    if not lines or not {"outcome_id", "decision"} <= lines[0].keys():
        raise InvalidDecision(
            f"{path.name} has no row, or lacks the columns outcome_id and decision",
            hint="'cdr-pipeline breaks export --internal' writes a file with these columns",
        )
    rows: list[_Row] = []
    for number, line in enumerate(lines, start=2):
        decision = (line["decision"] or "").strip().lower()
        if not decision:
            continue
        why = (line.get("decision_reason") or "").strip() or reason
        known = (line.get("decisions") or "0").strip()
        if decision not in CHOICES or not why or not known.isdecimal():
            wrong = "decision" if decision not in CHOICES else "reason" if not why else "number of decisions"
            raise InvalidDecision(
                f"{path.name}, line {number}: no valid {wrong}; nothing was decided",
                hint=f"decisions are {', '.join(CHOICES)}; reasons may be given by --reason",
            )
        rows.append(_Row((line["outcome_id"] or "").strip(), decision, why, int(known)))
    if not rows:
        raise InvalidDecision(f"{path.name} has no decision", hint="fill in the column decision")
    return rows


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
