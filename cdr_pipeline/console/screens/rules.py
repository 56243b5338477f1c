"""Rules that decide breaks: the list, what a new rule would decide, adding and ending rules."""

from collections import Counter
from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from cdr_pipeline.console.query import decimal_of
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import (
    CurrentUser,
    OwnForm,
    chosen_account,
    require,
    visible_account,
    visible_accounts,
)
from cdr_pipeline.console.tables import TableExport, wanted_format
from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria, DecisionRule
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.exports.reconciliation_words import CAUSES, CLASSES
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, record_event
from cdr_pipeline.steps.reconciliation.decision_rules import add_rule, end_rule, list_rules, preview_rule

router = APIRouter()
Text = Annotated[str, Field(max_length=200)]


class RuleForm(BaseModel):
    """Form of a rule: criteria, decision and reason. ``action`` is ``preview`` or ``add``."""

    account: Text = ""
    carrier: Text = ""
    match_class: Annotated[str, Field(alias="class", max_length=60)] = ""
    cause: Annotated[str, Field(max_length=60)] = ""
    destination: Text = ""
    below: Annotated[str, Field(max_length=30)] = ""
    at_least: Annotated[str, Field(max_length=30)] = ""
    currency: Annotated[str, Field(max_length=10)] = ""
    decision: Literal["accepted", "disputed"] = "accepted"
    reason: Annotated[str, Field(max_length=1_000)] = ""
    action: Literal["preview", "add"] = "preview"

    @property
    def criteria(self) -> BreakCriteria:
        """The breaks that the rule covers."""
        return BreakCriteria(
            carrier=self.carrier.strip() or None,
            classes=(self.match_class,) if self.match_class in CLASSES else (),
            causes=(self.cause,) if self.cause in CAUSES else (),
            destination=self.destination.strip() or None,
            below=decimal_of(self.below),
            at_least=decimal_of(self.at_least),
            currency=self.currency.strip().upper() or None,
        )


_RULES: Final = TableExport[DecisionRule](
    "decision_rules",
    {
        "account": lambda item: item.account_id,
        "rule": lambda item: item.rule_id,
        "carrier": lambda item: item.criteria.carrier,
        "classes": lambda item: ", ".join(item.criteria.classes),
        "causes": lambda item: ", ".join(item.criteria.causes),
        "destination": lambda item: item.criteria.destination,
        "difference_below": lambda item: item.criteria.below,
        "charged_too_much_from": lambda item: item.criteria.at_least,
        "currency": lambda item: item.criteria.currency,
        "decision": lambda item: item.decision,
        "reason": lambda item: item.reason,
        "added_utc": lambda item: item.created_at,
        "added_by": lambda item: item.created_by,
    },
)


@router.get("/rules")
def show_rules(request: Request, user: CurrentUser) -> Response:
    """The rules of the accounts that the user sees; the form is filled from the query."""
    if wanted_format(request):
        active = [item.account_id for item in visible_accounts(user).values() if item.active]
        rules = list_rules(service_of(request).ctx, active) if active else []
        return _RULES.file(request, user, rules)
    known = {name: request.query_params.get(name, "")[:60] for name in ("account", "carrier", "class", "cause")}
    return _show(request, user, RuleForm.model_validate(known))


@router.post("/rules", dependencies=[OwnForm])
def preview_or_add(request: Request, user: CurrentUser, form: Annotated[RuleForm, Form()]) -> Response:
    """Shows which open breaks a rule would decide, or adds it and decides them."""
    require(user, Permission.DECIDE)
    accounts = _accounts(user, form)
    ctx = service_of(request).ctx
    if form.action == "preview":
        return _show(request, user, form, found=preview_rule(form.criteria, ctx, accounts))
    rules, decided = add_rule(
        form.criteria, ctx, decision=form.decision, reason=form.reason, created_by=user.name, accounts=accounts
    )
    counts = Counter(item.account_id for item in decided.breaks)
    for rule in rules:
        record_event(
            user,
            "add rule",
            ctx,
            account_id=rule.account_id,
            subject=f"rule {rule.rule_id}: {form.decision}, {count_of(counts[rule.account_id], 'break')}",
            reason=form.reason.strip(),
        )
    return RedirectResponse("/rules?notice=rule", status_code=303)


@router.post("/rules/end", dependencies=[OwnForm])
def end(
    request: Request,
    user: CurrentUser,
    rule: Annotated[str, Form(pattern="^[0-9a-f]{6,64}$")],
    account: Annotated[str, Form(max_length=200)],
    reason: Annotated[str, Form(min_length=1, max_length=1_000)],
) -> Response:
    """Ends a rule; its decisions stay."""
    require(user, Permission.DECIDE)
    owner = visible_account(user, account)
    ctx = service_of(request).ctx
    end_rule(rule, ctx, ended_by=user.name, reason=reason, accounts=[owner.account_id])
    record_event(user, "end rule", ctx, account_id=account, subject=f"rule {rule}", reason=reason.strip())
    return RedirectResponse("/rules?notice=rule_ended", status_code=303)


def _accounts(user: SignedIn, form: RuleForm) -> list[str]:
    if account_id := chosen_account(user, form.account):
        return [account_id]
    return [item.account_id for item in user.visible.values() if item.active]


def _show(request: Request, user: SignedIn, form: RuleForm, *, found: list[Break] | None = None) -> Response:
    accounts = visible_accounts(user)
    ctx = service_of(request).ctx
    active = [item.account_id for item in accounts.values() if item.active]
    return page(
        request,
        "rules.html",
        accounts=accounts,
        form=form,
        rules=list_rules(ctx, active) if active else [],
        classes=sorted(CLASSES),
        causes=sorted(CAUSES),
        found=found,
        sums=_sums(found or []),
    )


def _sums(breaks: list[Break]) -> dict[str, tuple[Decimal, Decimal]]:
    """Charged too much and too little by currency; never netted."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for item in breaks:
        over, under = sums.get(item.exposure_currency, (Decimal(0), Decimal(0)))
        sums[item.exposure_currency] = (over + max(item.exposure, 0), under + max(-item.exposure, 0))
    return sums
