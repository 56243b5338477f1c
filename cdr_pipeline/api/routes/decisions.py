"""Routes of breaks and of acts on days: list and decide breaks, seal and restate days, as people do in the console."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cdr_pipeline.api.answers import COMMON_PARAMETERS, answer, response_type
from cdr_pipeline.api.auth import Caller, person, reader
from cdr_pipeline.api.bodies import parsed, read_small
from cdr_pipeline.api.documentation.days import ACT, BREAK_DECISIONS, BREAKS
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.models.breaks import BreakBody, BreakDecision, BreakDecisionRequest, BreakSide, DecidedCarrierDay
from cdr_pipeline.api.models.days import ActedDay, DayActRequest
from cdr_pipeline.api.parameters import BreaksQuery, date_in_path, dates_of, parameters_of
from cdr_pipeline.api.refusals import conflict, invalid_request
from cdr_pipeline.api.service import service_of
from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, record_event
from cdr_pipeline.steps.days import day_acts
from cdr_pipeline.steps.days.day_acts import ActResult
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.decisions import DecidedBreaks, decide_listed
from cdr_pipeline.steps.run_context import RunContext

router = APIRouter(tags=["breaks and decisions"])
Reader = Annotated[Caller, Depends(reader)]
_KNOWN: Final = COMMON_PARAMETERS | {"from_date", "to_date", "carrier", "state"}
# Breaks of a request that decides, with their ids.
_LARGEST_BODY: Final = 2 * 1024 * 1024


@router.get("/accounts/{account_id}/breaks", summary="List breaks", **described(BREAKS))
async def breaks(request: Request, caller: Reader) -> Response:
    """Differences between switch and carriers by the newest reconciliations, the largest amount at risk first."""
    media, query = response_type(request, _KNOWN), parameters_of(BreaksQuery, request)
    first, last = dates_of(request)
    wanted = BreakFilter([caller.account.account_id], query.carrier, first, last, states=query.state)
    found = await service_of(request).read(list_breaks, wanted)
    return answer(request, media, [_shown(item).model_dump(mode="json") for item in found], name="breaks")


@router.put("/accounts/{account_id}/breaks/decisions", summary="Decide breaks", **described(BREAK_DECISIONS))
async def decide(request: Request, caller: Reader) -> Response:
    """Records a decision about breaks, all or none. Refused if one has been decided since it was listed."""
    media = response_type(request)
    user = await person(request, caller, Permission.DECIDE)
    wanted = parsed(BreakDecisionRequest, await read_small(request, _LARGEST_BODY)).data
    decided = await service_of(request).act(_decide, user, caller.account.account_id, wanted)
    days = [
        DecidedCarrierDay(
            business_date=day.day.business_date,
            carrier=day.day.carrier,
            open_breaks=day.open_breaks,
            light=day.light,
        ).model_dump(mode="json")
        for day in decided.days
    ]
    return answer(request, media, days, name="decided")


@router.put("/accounts/{account_id}/days/{business_date}/seal", summary="Seal a day", **described(ACT))
async def seal(request: Request, caller: Reader, business_date: str) -> Response:
    """Makes the files of a day final; with a reason, in spite of obstacles. 409 names the obstacles."""
    media, day = response_type(request), date_in_path(business_date)
    reason = parsed(DayActRequest, await read_small(request)).data.reason.strip()
    user = await person(request, caller, Permission.OVERRIDE if reason else Permission.DECIDE)
    results = await service_of(request).act(_seal, user, caller.account.account_id, day, reason)
    return _acted(request, media, results)


@router.put("/accounts/{account_id}/days/{business_date}/restate", summary="Restate a day", **described(ACT))
async def restate(request: Request, caller: Reader, business_date: str) -> Response:
    """Writes a new version of a sealed day whose records have changed. Needs a reason."""
    media, day = response_type(request), date_in_path(business_date)
    reason = parsed(DayActRequest, await read_small(request)).data.reason.strip()
    if not reason:
        raise invalid_request([{"loc": ("body", "data", "reason"), "type": "required", "msg": "must be given"}])
    user = await person(request, caller, Permission.OVERRIDE)
    results = await service_of(request).act(_restate, user, caller.account.account_id, day, reason)
    return _acted(request, media, results)


def _acted(request: Request, media: str, results: Sequence[ActResult]) -> Response:
    """The day after an act. Raises CdrError: it failed; RequestRefused: 409."""
    if not results:
        raise conflict("day_not_late", "the day has no records that its final files lack")
    (result,) = results
    if result.error is not None:
        raise result.error
    if result.outcome == "refused":
        obstacles = [item.value for item in result.obstacles]
        raise conflict("day_not_sealable", "obstacles block the seal", obstacles=obstacles)
    body = ActedDay.model_validate(
        {"account_id": result.account_id, "business_date": result.business_date, "outcome": result.outcome}
    )
    return answer(request, media, body.model_dump(mode="json"), name="day")


def _seal(user: SignedIn, account_id: str, day: date, reason: str, ctx: RunContext) -> list[ActResult]:
    return day_acts.seal(user, {account_id: [day]}, ctx, reason=reason)


def _restate(user: SignedIn, account_id: str, day: date, reason: str, ctx: RunContext) -> list[ActResult]:
    return day_acts.restate(user, {account_id: [day]}, ctx, reason=reason)


def _decide(user: SignedIn, account_id: str, wanted: BreakDecision, ctx: RunContext) -> DecidedBreaks:
    decided = decide_listed(
        {(account_id, item.id): item.decisions for item in wanted.breaks},
        ctx,
        accounts=[account_id],
        decision=wanted.decision,
        reason=wanted.reason,
        decided_by=user.name,
    )
    subject = count_of(len(decided.breaks), "break")
    record_event(user, f"breaks {wanted.decision}", ctx, account_id=account_id, subject=subject, reason=wanted.reason)
    return decided


def _shown(item: Break) -> BreakBody:
    return BreakBody(
        id=item.outcome_id,
        business_date=item.business_date,
        carrier=item.carrier,
        kind=item.match_class,
        cause=item.cause,
        detail=item.detail,
        ambiguous=item.ambiguous,
        destination=item.destination,
        exposure=_text(item.exposure) or "0",
        currency=item.exposure_currency,
        expected_amount=_text(item.expected_amount),
        state=item.state,
        decisions=item.decision_no,
        decided_by=item.decided_by,
        reason=item.reason,
        credit_note=item.credit_note,
        assignee=item.assignee,
        switch=_side(
            item.switch_record_id, item.switch_call_id, item.switch_started_at, item.switch_seconds, item.switch_amount
        ),
        carrier_side=_side(
            item.carrier_record_id,
            item.carrier_call_id,
            item.carrier_started_at,
            item.carrier_seconds,
            item.carrier_amount,
        ),
    )


def _side(
    record_id: str | None,
    call_id: str | None,
    started_at: datetime | None,
    seconds: Decimal | None,
    amount: Decimal | None,
) -> BreakSide | None:
    """One side of a break; None if it has no record."""
    if record_id is None:
        return None
    return BreakSide(
        record_id=record_id, call_id=call_id, started_at=started_at, seconds=_text(seconds), amount=_text(amount)
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")
