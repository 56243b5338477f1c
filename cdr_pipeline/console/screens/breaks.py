"""The worklist of breaks: grouped by cause, both sides next to each other, decisions for one or many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, get_args

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from cdr_pipeline.console.query import date_of
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, NotVisible, OwnForm, require, visible_accounts
from cdr_pipeline.core.reconcile.result.breaks import Break, Decision
from cdr_pipeline.exports.reconciliation_words import cause_words, class_meaning, class_name
from cdr_pipeline.steps.accounts.users import Permission, record_event
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.decisions import decide_listed

router = APIRouter()
_SHOWN: Final = 100
_STATES: Final = ("open", *get_args(Decision))


@dataclass(frozen=True, slots=True)
class BreakGroup:
    """Breaks of one class, cause and carrier in one currency; ``over`` and ``under`` are never netted."""

    match_class: str
    cause: str
    carrier: str
    currency: str
    count: int
    over: Decimal
    under: Decimal


@router.get("/breaks")
def show_breaks(request: Request, user: CurrentUser) -> Response:
    """The worklist; all filters are in the URL."""
    accounts = visible_accounts(user, request)
    query = request.query_params
    account_id = query.get("account", "")
    if account_id and account_id not in accounts:
        raise NotVisible
    state = query.get("state", "open")
    breaks = list_breaks(
        BreakFilter(
            accounts=[account_id] if account_id else list(accounts),
            carrier=query.get("carrier") or None,
            first_date=date_of(query.get("first", ""), date.min),
            last_date=date_of(query.get("last", ""), date.max),
            classes=[query["class"]] if query.get("class") else (),
            states=[state] if state in _STATES else (),
            causes=[query["cause"]] if query.get("cause") else (),
        ),
        service_of(request).ctx,
    )
    filters = {name: query.get(name, "") for name in ("account", "carrier", "first", "last", "class", "cause")}
    return page(
        request,
        "breaks.html",
        accounts=accounts,
        breaks=breaks[:_SHOWN],
        count=len(breaks),
        groups=_groups(breaks),
        filters=filters | {"state": state if state in _STATES else "all"},
        class_name=class_name,
        class_meaning=class_meaning,
        cause_words=cause_words,
    )


ListedBreak = Annotated[str, Field(pattern=r"^\w{6,100}:\d{1,6}$")]


class DecisionForm(BaseModel):
    """Form of a decision.

    Attributes:
        breaks: selected breaks as ``outcome_id:decision_no``, with the number of decisions that the page showed.
        back: query of the page that the form was sent from.
    """

    decision: Decision
    reason: Annotated[str, Field(min_length=1, max_length=1_000)]
    breaks: Annotated[list[ListedBreak], Field(alias="break", min_length=1, max_length=10_000)]
    back: Annotated[str, Field(max_length=4_000)] = ""

    @property
    def listed(self) -> dict[str, int]:
        """Number of decisions that the page showed, by id of the break."""
        parts = [item.partition(":") for item in self.breaks]
        return {outcome_id: int(number) for outcome_id, _, number in parts}


@router.post("/breaks/decide", dependencies=[OwnForm])
def decide(request: Request, user: CurrentUser, form: Annotated[DecisionForm, Form()]) -> Response:
    """Records one decision about all selected breaks, or about none of them."""
    require(user, Permission.DECIDE)
    ctx = service_of(request).ctx
    reason = form.reason.strip()
    decided = decide_listed(
        form.listed, ctx, accounts=user.accounts, decision=form.decision, reason=reason, decided_by=user.name
    ).breaks
    for business_date, account_id in sorted({(item.business_date, item.account_id) for item in decided}):
        count = sum((item.business_date, item.account_id) == (business_date, account_id) for item in decided)
        record_event(
            user,
            f"breaks {form.decision}",
            ctx,
            account_id=account_id,
            business_date=business_date,
            subject=f"{count} break(s)",
            reason=reason,
        )
    query = form.back if form.back.isprintable() else ""
    return RedirectResponse(f"/breaks?{query}&notice=decided" if query else "/breaks?notice=decided", status_code=303)


def _groups(breaks: Sequence[Break]) -> list[BreakGroup]:
    """Groups by class, cause, carrier and currency, the largest amount first."""
    totals: dict[tuple[str, str, str, str], list[Decimal]] = {}
    for item in breaks:
        key = (item.match_class, item.cause or "", item.carrier, item.exposure_currency)
        totals.setdefault(key, []).append(item.exposure)
    groups = [
        BreakGroup(
            *key,
            count=len(amounts),
            over=sum((amount for amount in amounts if amount > 0), Decimal(0)),
            under=-sum((amount for amount in amounts if amount < 0), Decimal(0)),
        )
        for key, amounts in totals.items()
    ]
    return sorted(groups, key=lambda group: (-group.over, -group.under, -group.count, group.match_class, group.cause))
