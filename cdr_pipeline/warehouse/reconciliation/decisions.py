"""Decisions about breaks, notes, rules that decide, and credit notes. Nothing is overwritten."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria, Choice, DecisionRule, DecisionSum
from cdr_pipeline.warehouse.reconciliation.reconciliations import criteria_parameters
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay
from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision about a break that has ``expected`` decisions so far."""

    account_id: str
    outcome_id: str
    expected: int
    decision: Choice
    reason: str


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A decision on record."""

    outcome_id: str
    decision_no: int
    decision: Choice
    reason: str
    decided_by: str
    decided_at: datetime
    rule_id: str | None
    credit_note: str | None


@dataclass(frozen=True, slots=True)
class PastNote:
    """A note about a break, or the person in charge from then on."""

    outcome_id: str
    note: str | None
    assignee: str | None
    noted_by: str
    noted_at: datetime


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A credit note of a carrier; ``used`` is the part that closed breaks."""

    account_id: str
    carrier: str
    credit_note: str
    amount: Decimal
    currency: str
    used: Decimal


class DecisionTable(LedgerTables):
    """Decisions about breaks, by account."""

    def add(
        self,
        decisions: Sequence[NewDecision],
        *,
        decided_by: str,
        now: datetime,
        credit_note: str | None = None,
    ) -> int:
        """Adds decisions whose breaks have the expected number of decisions; in a transaction of the caller.

        Returns:
            Number of decisions added. If it is smaller than asked for, the caller rolls back.
        """
        by_account: dict[str, list[NewDecision]] = defaultdict(list)
        for item in decisions:
            by_account[item.account_id].append(item)
        written = 0
        for account_id, items in sorted(by_account.items()):
            # In one order, so that two at once do not block each other.
            items.sort(key=lambda item: item.outcome_id)
            again = [item for item in items if item.expected]
            if again:
                replaced = self.statements.execute(
                    "reconciliation/replace_decisions",
                    account_id=account_id,
                    outcome_ids=[item.outcome_id for item in again],
                    expected=[item.expected for item in again],
                )
                if replaced < len(again):
                    return written
            added = self.statements.tuples(
                "reconciliation/add_decisions",
                account_id=account_id,
                outcome_ids=[item.outcome_id for item in items],
                expected=[item.expected for item in items],
                decisions=[item.decision for item in items],
                reasons=[item.reason for item in items],
                decided_by=decided_by,
                rule_id=None,
                credit_note=credit_note,
                now=now,
            )
            # A cluster counts the rows of the SELECT, also those that it does not insert.
            written += len(added)
        return written

    def of(self, account_id: str, outcome_ids: Sequence[str]) -> list[PastDecision]:
        """All decisions about breaks of an account, in order."""
        return self.statements.records(
            PastDecision, "reconciliation/decisions_of", account_id=account_id, outcome_ids=list(outcome_ids)
        )

    def sums(self, account_id: str, business_date: date, carrier: str | None = None) -> list[DecisionSum]:
        """Breaks of a day's newest versions by carrier, state and currency."""
        return self.statements.records(
            DecisionSum,
            "reconciliation/decision_sums",
            account_id=account_id,
            business_date=business_date,
            carrier=carrier,
        )

    def add_note(
        self,
        account_id: str,
        outcome_id: str,
        *,
        note: str | None,
        assignee: str | None,
        noted_by: str,
        now: datetime,
    ) -> None:
        """Adds a note, or names the person in charge."""
        self.statements.execute(
            "reconciliation/add_note",
            account_id=account_id,
            outcome_id=outcome_id,
            note=note,
            assignee=assignee,
            noted_by=noted_by,
            now=now,
        )

    def notes(self, account_id: str, outcome_ids: Sequence[str]) -> list[PastNote]:
        """All notes about breaks of an account, in order."""
        return self.statements.records(
            PastNote, "reconciliation/notes_of", account_id=account_id, outcome_ids=list(outcome_ids)
        )

    def add_rule(self, rule: DecisionRule) -> None:
        """Adds a rule."""
        self.statements.execute(
            "reconciliation/add_rule",
            account_id=rule.account_id,
            rule_id=rule.rule_id,
            decision=rule.decision,
            reason=rule.reason,
            created_by=rule.created_by,
            now=rule.created_at,
            **criteria_parameters(rule.criteria),
        )

    def rules(self, account_ids: Sequence[str]) -> list[DecisionRule]:
        """Rules of accounts, also those that have ended, in the order in which they apply."""
        rows = self.statements.rows("reconciliation/rules", account_ids=list(account_ids))
        return [DecisionRule(criteria=_criteria(row), **row) for row in rows]

    def end_rule(self, account_ids: Sequence[str], rule_id: str, *, ended_by: str, reason: str, now: datetime) -> bool:
        """Ends a rule. Returns whether it was in force."""
        ended = self.statements.execute(
            "reconciliation/end_rule",
            account_ids=list(account_ids),
            rule_id=rule_id,
            ended_by=ended_by,
            end_reason=reason,
            now=now,
        )
        return ended > 0

    def apply(self, rule: DecisionRule, *, now: datetime, day: CarrierDay | None = None) -> int:
        """Decides the undecided breaks that a rule covers, of one carrier's day or all. Returns their number."""
        return self.statements.execute(
            "reconciliation/apply_rule",
            account_id=rule.account_id,
            rule_id=rule.rule_id,
            decision=rule.decision,
            reason=rule.reason,
            created_by=rule.created_by,
            business_date=day.business_date if day else None,
            of_carrier=day.carrier if day else None,
            now=now,
            **criteria_parameters(rule.criteria),
        )

    def add_credit_note(self, note: CreditNote, *, recorded_by: str, now: datetime) -> bool:
        """Records a credit note. Returns False if the carrier's note of that number is on record."""
        added = self.statements.execute(
            "reconciliation/add_credit_note", **asdict(note), recorded_by=recorded_by, now=now
        )
        return added > 0


def _criteria(row: dict[str, Any]) -> BreakCriteria:
    """Takes the criteria out of a row."""
    values = {field.name: row.pop(field.name) for field in fields(BreakCriteria)}
    values["classes"], values["causes"] = tuple(values["classes"]), tuple(values["causes"])
    return BreakCriteria(**values)
