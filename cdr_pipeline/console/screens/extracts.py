"""Files of all calls of a longer period: requested here, made in the background by the server, downloaded here."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from cdr_pipeline.console.links import require_signed
from cdr_pipeline.console.query import date_of
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
from cdr_pipeline.exports.extract_file import suffix_of
from cdr_pipeline.steps.accounts.users import Permission, record_event
from cdr_pipeline.steps.records.extracts import (
    ExtractRequest,
    delete_extract,
    extract_of,
    extracts_of,
    file_of,
    request_extract,
)
from cdr_pipeline.warehouse.ledger import Account

router = APIRouter()
_USUAL_SPAN: Final = timedelta(days=92)
# A call is saved at its end; longer ones are not found.
_LONGEST_CALL: Final = timedelta(days=31)
_PIECE: Final = 1024 * 1024
# Days that a search can name.
_EARLIEST: Final = date(1990, 1, 2)
_LATEST: Final = date(2149, 1, 1)
_NOTICES: Final = {"full": "extracts_full", "no_space": "extracts_no_space"}


class ExtractForm(BaseModel):
    """Calls of some days of an account, as a file."""

    account: str = Field(max_length=200)
    first: date
    last: date
    form: Literal["csv", "spreadsheet", "xlsx"]


@router.get("/extracts")
def extracts(request: Request, user: CurrentUser) -> Response:
    """The form, and the files of an account."""
    require(user, Permission.EXACT_FILES)
    query, accounts, ctx = request.query_params, visible_accounts(user), service_of(request).ctx
    account_id = chosen_account(user, query.get("account", "")) or next(iter(accounts), "")
    last = date_of(query.get("last", ""), ctx.clock().date())
    found = extracts_of(account_id, [account_id], ctx) if account_id else []
    return page(
        request,
        "extracts.html",
        accounts=accounts,
        account=accounts.get(account_id),
        first=date_of(query.get("first", ""), last - _USUAL_SPAN),
        last=last,
        extracts=found,
    )


@router.post("/extracts", dependencies=[OwnForm])
def request_file(
    request: Request,
    user: CurrentUser,
    wanted: Annotated[ExtractForm, Form()],
) -> Response:
    """Requests a file of the calls that started on some days, in the zone of the account."""
    require(user, Permission.EXACT_FILES)
    owner = visible_account(user, chosen_account(user, wanted.account))
    ctx = service_of(request).ctx
    first, last = sorted(min(max(day, _EARLIEST), _LATEST) for day in (wanted.first, wanted.last))
    reply = request_extract(_request_of(owner, first, last, wanted.form, user.user_id), ctx)
    if reply.outcome == "accepted":
        record_event(
            user, "request extract", ctx, account_id=owner.account_id, subject=f"{first} to {last}, {wanted.form}"
        )
    notice = _NOTICES.get(reply.outcome, "extract_requested")
    return RedirectResponse(f"/extracts?{urlencode({'account': owner.account_id, 'notice': notice})}", status_code=303)


@router.post("/extracts/delete", dependencies=[OwnForm])
def delete_file(
    request: Request,
    user: CurrentUser,
    account: Annotated[str, Form(max_length=200)],
    extract: Annotated[str, Form(pattern="^[0-9a-f]{32}$")],
) -> Response:
    """Cancels a request, or deletes its file."""
    require(user, Permission.EXACT_FILES)
    owner = visible_account(user, account)
    ctx = service_of(request).ctx
    delete_extract(extract_of(owner.account_id, [owner.account_id], extract, ctx), ctx)
    record_event(user, "delete extract", ctx, account_id=owner.account_id, subject=extract)
    target = urlencode({"account": owner.account_id, "notice": "extract_deleted"})
    return RedirectResponse(f"/extracts?{target}", status_code=303)


@router.get("/extracts/{account_id}/{extract_id}")
def download_extract(request: Request, user: CurrentUser, account_id: str, extract_id: str) -> Response:
    """The file."""
    require(user, Permission.EXACT_FILES)
    account = visible_account(user, account_id)
    require_signed(request)
    ctx = service_of(request).ctx
    extract = extract_of(account.account_id, [account.account_id], extract_id, ctx)
    path = file_of(extract, ctx)
    record_event(user, "download extract", ctx, account_id=account.account_id, subject=extract_id)
    period = f"_{extract.first_moment:%Y-%m-%d}" if extract.first_moment else ""
    name = f"calls_{account.account_id}{period}{suffix_of(extract.form, extract.compression)}"
    return StreamingResponse(
        _pieces(path),
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(extract.byte_count),
            "X-Content-SHA256": extract.sha256 or "",
        },
    )


def _request_of(account: Account, first: date, last: date, form: str, user_id: str) -> ExtractRequest:
    zone = ZoneInfo(account.time_zone)
    begin = datetime.combine(first, time(), zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC) - timedelta(microseconds=1)
    saved = (end + _LONGEST_CALL).replace(microsecond=0)
    parameters = {"created_from": begin, "created_to": saved, "started_from": begin, "started_to": end}
    return ExtractRequest(
        account_id=account.account_id,
        owner_id=account.account_id,
        token_id=f"user {user_id}",
        request={
            "kind": "records",
            "user_id": None,
            "above": False,
            "parameters": {name: [moment.isoformat()] for name, moment in parameters.items()} | {"ascending": ["true"]},
        },
        form=form,
        compression="none",
        first_moment=begin,
        last_moment=end,
    )


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
