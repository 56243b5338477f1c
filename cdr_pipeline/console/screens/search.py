"""Search for calls, and one call with its legs and where its record came from and went to."""

import ipaddress
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
import polars as pl
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from cdr_pipeline.console.query import date_of
from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, NotVisible, chosen_account, visible_account, visible_accounts
from cdr_pipeline.console.tables import TableExport, wanted_format
from cdr_pipeline.core.normalize.numbers import NumberPlan, e164
from cdr_pipeline.core.records.search import Compare, Condition, InstantRange, Operator, Search
from cdr_pipeline.core.time.timestamps import GREGORIAN_UNIX_OFFSET
from cdr_pipeline.steps.records.call_history import call_history, full_record_id
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.warehouse.ledger import Account

router = APIRouter()
_ROWS: Final = 100
_CALLS: Final = TableExport[dict[str, Any]](
    "calls",
    {
        "start": lambda row: row.get("rfc_1036"),
        "record": lambda row: row.get("id"),
        "call": lambda row: row.get("call_id"),
        "origin": lambda row: row.get("origin"),
        "direction": lambda row: row.get("direction"),
        "from": lambda row: row.get("caller_id_number"),
        "from_name": lambda row: row.get("caller_id_name"),
        "to": lambda row: row.get("dialed_number") or row.get("callee_id_number"),
        "to_name": lambda row: row.get("callee_id_name"),
        "billing_seconds": lambda row: row.get("billing_seconds"),
        "cost": lambda row: row.get("cost"),
        "result": lambda row: row.get("hangup_cause"),
    },
    private=("from", "from_name", "to", "to_name"),
)
_LONGEST_SPAN: Final = timedelta(days=366)
_USUAL_SPAN: Final = timedelta(days=7)
_TEXT: Final = (
    "record_id", "call_id", "caller_id_name", "callee_id_name", "caller_id_number", "callee_id_number",
    "dialed_number", "sip_from", "sip_to", "hangup_cause", "user_agent", "carrier",
)  # fmt: skip
_NUMBERS: Final = (
    "caller_e164", "callee_e164", "caller_id_number", "callee_id_number", "dialed_number", "calling_from",
)  # fmt: skip
_ADDRESSES: Final = ("from_host", "to_host", "remote_rtp_address", "local_rtp_address")
_NUMBER: Final = re.compile(r"\+?[\d\s()./-]{4,30}")
_DEFAULT_COUNTRY: Final = "1"


@router.get("/search")
async def search(request: Request, user: CurrentUser) -> Response:
    """The form, and the newest calls that match it."""
    service = service_of(request)
    accounts = visible_accounts(user)
    query = request.query_params
    account_id = chosen_account(user, query.get("account", "")) or next(iter(accounts), "")
    text = query.get("q", "").strip()[:200]
    today = service.ctx.clock().date()
    last = date_of(query.get("last", ""), today)
    first = max(date_of(query.get("first", ""), last - _USUAL_SPAN), last - _LONGEST_SPAN)
    rows: list[dict[str, Any]] | None = None
    if account_id and ("q" in query or "first" in query):
        rows = await _find(accounts[account_id], text, first, last, service.records)
    if wanted_format(request):
        return await run_in_threadpool(_CALLS.file, request, user, rows or [])
    return await run_in_threadpool(
        page,
        request,
        "search.html",
        accounts=accounts,
        account=accounts.get(account_id),
        text=text,
        first=first,
        last=last,
        rows=rows,
        most=_ROWS,
        started=_started,
    )


@router.get("/records/{account_id}/{record_id:path}")
async def record(request: Request, user: CurrentUser, account_id: str, record_id: str) -> Response:
    """One record: detail, legs of its call, provenance, daily file."""
    service = service_of(request)
    account = visible_account(user, account_id)
    document = await service.records.record(account_id, record_id)
    if document is None:
        # Breaks and files have the ids of imported records without their source.
        full = await run_in_threadpool(full_record_id, account_id, record_id, service.ctx)
        document = await service.records.record(account_id, full) if full else None
    if document is None:
        raise NotVisible
    identity = str(document.get("interaction_id") or document.get("id") or record_id)
    legs = await service.records.legs(account_id, identity)
    own = document.get("cdr_pipeline")
    linked = str(own.get("linked_record_id") or "") if isinstance(own, dict) else ""
    related = [item for item in (str(document.get("id") or ""), linked) if item]
    history = await run_in_threadpool(call_history, account_id, record_id, related, service.ctx)
    return await run_in_threadpool(
        page,
        request,
        "record.html",
        account=account,
        record_id=record_id,
        fields=_flat(document),
        legs=legs,
        history=history,
    )


async def _find(account: Account, text: str, first: date, last: date, records: RecordSearch) -> list[dict[str, Any]]:
    zone = ZoneInfo(account.time_zone)
    span = InstantRange(
        "started_at",
        datetime.combine(first, time(), zone),
        datetime.combine(last + timedelta(days=1), time(), zone) - timedelta(microseconds=1),
    )
    conditions = (condition_of(text, account.country_code or _DEFAULT_COUNTRY),) if text else ()
    found = await records.page(Search((account.account_id,), conditions, span), size=_ROWS, start=None)
    return [orjson.loads(row) for row in found.rows]


def condition_of(text: str, country_code: str) -> Condition:
    """The condition of a search text: an IP address or network, a number in any notation, or a part of a text.

    Args:
        text: what a person typed.
        country_code: country of numbers in national notation, digits only.
    """
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        pass
    else:
        return Compare(_ADDRESSES, Operator.WITHIN, (text,))
    if _NUMBER.fullmatch(text):
        bare = re.sub(r"[\s()./-]", "", text)
        national = pl.DataFrame({"number": [bare]}).select(e164(pl.col("number"), NumberPlan(country_code))).item()
        notations = [bare, f"+{bare.removeprefix('+')}", *([str(national)] if national else [])]
        return Compare(_NUMBERS, Operator.EQUALS, tuple(dict.fromkeys(notations)))
    return Compare(_TEXT, Operator.CONTAINS, (text,))


def _started(row: dict[str, Any]) -> datetime | None:
    """Start of a call; None if the record has none."""
    seconds = str(row.get("timestamp", ""))
    return datetime.fromtimestamp(int(seconds) - GREGORIAN_UNIX_OFFSET, UTC) if seconds.isdigit() else None


def _flat(document: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Every field with a value by its path, in the order of the document."""
    fields: list[tuple[str, str]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            fields += _flat(value, f"{prefix}{name}.")
        elif value not in (None, "", []):
            fields.append((f"{prefix}{name}", str(value)))
    return fields
