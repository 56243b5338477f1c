"""Rules that decide breaks: now, and at every reconciliation."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import uuid4

from cdr_pipeline.core.reconcile.result.breaks import Break, Decision
from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria, DecisionRule
from cdr_pipeline.errors import InvalidDecision
from cdr_pipeline.steps.reconciliation.decisions import SHOWN_ID, DecidedBreaks, changed_days, require_person
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay

# Rules cover unpriced charges only if they name this class.
_UNPRICED: Final = "unpriced"


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
    require_person(reason, created_by)
    if decision == "credited":
        raise InvalidDecision("a rule accepts or disputes", hint="'cdr-pipeline breaks credit' records a credit note")
    _require_criterion(criteria)
    with ctx.ledger() as ledger:
        now = ctx.clock()
        rules = [
            DecisionRule(
                account.account_id, uuid4().hex[:SHOWN_ID], criteria, decision, reason.strip(), created_by.strip(), now
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
                if decided := ledger.decisions.apply(rule, now=now):
                    details = {"rule_id": rule.rule_id, "breaks": decided}
                    ledger.changes.add(rule.account_id, "decided", [None], now=now, details=details)
        after = _newest_by_rule(rules, before, ledger)
        return rules, changed_days(after, ledger, ctx)


def list_rules(ctx: RunContext, accounts: Sequence[str] | None = None, *, ended: bool = False) -> list[DecisionRule]:
    """Rules of accounts in the order in which they apply; with ``ended`` also those that are not in force any more."""
    with ctx.ledger() as ledger:
        rules = ledger.decisions.rules([account.account_id for account in ledger.accounts.active(accounts)])
    return [rule for rule in rules if ended or rule.ended_at is None]


def preview_rule(criteria: BreakCriteria, ctx: RunContext, accounts: Sequence[str] | None = None) -> list[Break]:
    """Open breaks that a rule with these criteria would decide now, the largest amount at risk first.

    Raises:
        AccountNotFound: an account is not registered.
        InvalidDecision: the rule covers everything.
    """
    _require_criterion(criteria)
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        found = ledger.reconciliations.breaks(account_ids, criteria=criteria, states=["open"])
    return [item for item in found if item.match_class != _UNPRICED or _UNPRICED in criteria.classes]


def end_rule(
    rule_id: str, ctx: RunContext, *, ended_by: str, reason: str, accounts: Sequence[str] | None = None
) -> None:
    """Ends a rule. Its decisions stay; withdraw them with ``decide_selected`` and ``open``.

    Args:
        rule_id: id of the rule.
        ctx: settings, warehouse, clock and progress callback.
        ended_by: person responsible.
        reason: why.
        accounts: accounts among which the rule is looked for; all when omitted.

    Raises:
        InvalidDecision: no rule in force has the id, or reason or person is missing.
    """
    require_person(reason, ended_by)
    with ctx.ledger() as ledger:
        known = [account.account_id for account in ledger.accounts.all()]
        account_ids = known if accounts is None else [item for item in known if item in set(accounts)]
        if not ledger.decisions.end_rule(
            account_ids, rule_id, ended_by=ended_by.strip(), reason=reason.strip(), now=ctx.clock()
        ):
            raise InvalidDecision(
                f"no rule in force has the id {rule_id!r}", hint="'cdr-pipeline breaks rules list' shows the ids"
            )


def _require_criterion(criteria: BreakCriteria) -> None:
    if criteria.is_empty:
        raise InvalidDecision(
            "a rule without a criterion would decide every break",
            hint="give --carrier, --class, --cause, --destination, --below or --at-least",
        )


def apply_rules(day: CarrierDay, ledger: Ledger, ctx: RunContext) -> int:
    """Applies the rules in force to the open breaks of a carrier's day. Returns the number of breaks decided."""
    rules = [rule for rule in ledger.decisions.rules([day.account_id]) if rule.ended_at is None]
    if not rules:
        return 0
    with ledger.transaction():
        decided = sum(ledger.decisions.apply(rule, now=ctx.clock(), day=day) for rule in rules)
        if decided:
            ledger.changes.add(
                day.account_id,
                "decided",
                [day.business_date],
                now=ctx.clock(),
                details={"carrier": day.carrier, "breaks": decided},
            )
    return decided


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
