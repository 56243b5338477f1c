"""The worklist of breaks: grouped by cause, both sides next to each other, decisions for one or many."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, get_args
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from cdr_pipeline.console.links import require_signed
from cdr_pipeline.console.query import date_of, decimal_of, whole_number
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
from cdr_pipeline.core.reconcile.result.breaks import Break, Decision
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.accounts.users import Permission, record_event
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, PackRequest, export_breaks, list_breaks
from cdr_pipeline.steps.reconciliation.decisions import decide_listed

router = APIRouter()
_SHOWN: Final = 100
_FILTERS: Final = ("account", "carrier", "first", "last", "class", "cause", "destination", "older", "at_least")
_PACKS: Final = 12
_STATES: Final = ("open", *get_args(Decision))
_EXPORT: Final = TableExport[Break](
    "breaks",
    {
        "account": lambda item: item.account_id,
        "business_date": lambda item: item.business_date,
        "carrier": lambda item: item.carrier,
        "break": lambda item: item.outcome_id,
        "class": lambda item: item.match_class,
        "cause": lambda item: item.cause,
        "detail": lambda item: item.detail,
        "destination": lambda item: item.destination,
        "call_started_utc": lambda item: item.call_started_at,
        "switch_record": lambda item: item.switch_record_id,
        "switch_caller": lambda item: item.switch_caller,
        "switch_callee": lambda item: item.switch_callee,
        "switch_seconds": lambda item: item.switch_seconds,
        "switch_amount": lambda item: item.switch_amount,
        "carrier_record": lambda item: item.carrier_record_id,
        "carrier_caller": lambda item: item.carrier_caller,
        "carrier_callee": lambda item: item.carrier_callee,
        "carrier_seconds": lambda item: item.carrier_seconds,
        "carrier_amount": lambda item: item.carrier_amount,
        "carrier_currency": lambda item: item.carrier_currency,
        "carrier_file": lambda item: item.carrier_file,
        "carrier_line": lambda item: item.carrier_line,
        "agreed_rate": lambda item: item.agreed_rate,
        "expected_amount": lambda item: item.expected_amount,
        "difference": lambda item: item.exposure,
        "difference_currency": lambda item: item.exposure_currency,
        "state": lambda item: item.state,
        "decided_by": lambda item: item.decided_by,
        "reason": lambda item: item.reason,
        "assignee": lambda item: item.assignee,
    },
    private=("switch_caller", "switch_callee", "carrier_caller", "carrier_callee"),
)


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
    accounts = visible_accounts(user)
    query = request.query_params
    account_id = chosen_account(user, query.get("account", ""))
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
            destination=query.get("destination") or None,
            older_than_days=whole_number(query.get("older", ""), 0, 3_660),
            at_least=decimal_of(query.get("at_least", "")),
        ),
        service_of(request).ctx,
    )
    if wanted_format(request):
        return _EXPORT.file(request, user, breaks)
    filters = {name: query.get(name, "") for name in _FILTERS} | {"account": account_id}
    return page(
        request,
        "breaks.html",
        accounts=accounts,
        breaks=breaks[:_SHOWN],
        packs=_packs(breaks) if user.may(Permission.EXACT_FILES) else [],
        count=len(breaks),
        groups=_groups(breaks),
        selected=query.get("selected") == "all",
        filters=filters | {"state": state if state in _STATES else "all"},
    )


ListedBreak = Annotated[str, Field(pattern=r"^[^:]{1,200}:\w{6,100}:\d{1,6}$")]


class DecisionForm(BaseModel):
    """Form of a decision.

    Attributes:
        breaks: selected breaks as ``account_id:outcome_id:decision_no``, with the number of decisions that the page
            showed.
        back: query of the page that the form was sent from.
    """

    decision: Decision
    reason: Annotated[str, Field(min_length=1, max_length=1_000)]
    breaks: Annotated[list[ListedBreak], Field(alias="break", max_length=10_000)] = []
    back: Annotated[str, Field(max_length=4_000)] = ""

    @property
    def listed(self) -> dict[tuple[str, str], int]:
        """Number of decisions that the page showed, by account and id of the break."""
        parts = [item.split(":") for item in self.breaks]
        return {(account_id, outcome_id): int(number) for account_id, outcome_id, number in parts}


@router.post("/breaks/decide", dependencies=[OwnForm])
def decide(request: Request, user: CurrentUser, form: Annotated[DecisionForm, Form()]) -> Response:
    """Records one decision about all selected breaks, or about none of them."""
    require(user, Permission.DECIDE)
    if not form.breaks:
        return _back(form.back, "none_selected")
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
            subject=count_of(count, "break"),
            reason=reason,
        )
    return _back(form.back, "decided")


def _back(query: str, notice: str) -> Response:
    """Leads to the page that the form was sent from."""
    kept = f"{query}&" if query and query.isprintable() else ""
    return RedirectResponse(f"/breaks?{kept}notice={notice}", status_code=303)


@router.get("/breaks/pack/{account_id}/{business_date}")
def pack(request: Request, user: CurrentUser, account_id: str, business_date: date) -> Response:
    """The workbook of a carrier's day: what is claimed from the carrier, or everything for internal use."""
    require(user, Permission.EXACT_FILES)
    account = visible_account(user, account_id)
    require_signed(request)
    query = request.query_params
    ctx = service_of(request).ctx
    with tempfile.TemporaryDirectory(prefix="cdr_pack_") as folder:
        written = export_breaks(
            PackRequest(
                business_date,
                account.account_id,
                query.get("carrier", ""),
                Path(folder),
                undecided="undecided" in query,
                internal="internal" in query,
            ),
            ctx,
        ).pack
        path = written.csv_file if query.get("format") == "csv" else written.workbook
        content, name = path.read_bytes(), path.name
    record_event(
        user,
        "download pack",
        ctx,
        account_id=account_id,
        business_date=business_date,
        subject=count_of(written.breaks, "break"),
    )
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"},
    )


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


def _packs(breaks: Sequence[Break]) -> list[tuple[str, date, str]]:
    """Days of carriers with listed breaks, if they are few enough for a row of links."""
    days = sorted({(item.account_id, item.business_date, item.carrier) for item in breaks})
    return days if len(days) <= _PACKS else []
