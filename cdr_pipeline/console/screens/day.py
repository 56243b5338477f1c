"""One account's day: state, obstacles, totals, files with their manifests, verification, seal and restatement."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, BinaryIO, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from cdr_pipeline.console.catalog import Language
from cdr_pipeline.console.links import require_signed
from cdr_pipeline.console.meanings import Words
from cdr_pipeline.console.rendering import language_of, page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import (
    CurrentUser,
    NotVisible,
    OwnForm,
    require,
    visible_account,
)
from cdr_pipeline.console.tables import TableExport, wanted_format, wanted_table
from cdr_pipeline.core.charts.plot import ChartSeries, columns_svg
from cdr_pipeline.errors import DayNotSealable
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.files.store import StorePath, download
from cdr_pipeline.steps.accounts.users import EventFilter, Permission, SignedIn, list_events, record_event
from cdr_pipeline.steps.days import day_acts
from cdr_pipeline.steps.days.day_acts import ActResult
from cdr_pipeline.steps.days.day_details import DayDetails, VerifiedFile, day_details, verify_day
from cdr_pipeline.steps.days.made_files import REDACTED, make_file, makeable_files
from cdr_pipeline.steps.days.published_files import find_file
from cdr_pipeline.steps.days.seal_days import Obstacle, grace_end
from cdr_pipeline.steps.days.second_person import approve, turn_down, waiting_requests
from cdr_pipeline.steps.days.version_difference import version_difference
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.rejects import DismissRequest, dismiss_rejects
from cdr_pipeline.warehouse.days.export_files import PublishedFile
from cdr_pipeline.warehouse.ledger import DayBatch, OpenRejects

router = APIRouter()
_ROWS: Final = 200
_MOST_EXPORTED: Final = 1_000_000
_CHUNK: Final = 1 << 20
_NOT_LATE: Final = "the day is not late, or a load of the account is running"
_DIFFERENCE: Final = TableExport[dict[str, str | None]](
    "version_difference",
    {
        "change": lambda row: row.get("change"),
        "side": lambda row: row.get("side"),
        "reason": lambda row: row.get("reason"),
        "record": lambda row: row.get("record_id"),
        "origin": lambda row: row.get("origin"),
        "started_at": lambda row: row.get("started_at"),
        "duration_seconds": lambda row: row.get("duration_seconds"),
        "billing_seconds": lambda row: row.get("billing_seconds"),
        "cost": lambda row: row.get("cost"),
        "currency": lambda row: row.get("cost_currency"),
    },
)

_FILES: Final = TableExport[PublishedFile](
    "daily_files",
    {
        "file": lambda item: item.path.rpartition("/")[2],
        "business_date": lambda item: item.business_date,
        "version": lambda item: item.version,
        "dialect": lambda item: item.dialect,
        "rows": lambda item: item.row_count,
        "bytes": lambda item: item.bytes,
        "sha256": lambda item: item.sha256,
        "written_utc": lambda item: item.written_at,
    },
)
_LOADS: Final = TableExport[DayBatch](
    "loads",
    {
        "time_utc": lambda item: item.loaded_at,
        "source": lambda item: item.file_name or item.kind,
        "profile": lambda item: item.profile,
        "records": lambda item: item.records,
        "replaced": lambda item: item.replaced,
    },
)
_REJECTS: Final = TableExport[OpenRejects](
    "rejected_lines",
    {
        "source": lambda item: item.file_name or item.origin,
        "lines": lambda item: item.row_count,
        "reasons": lambda item: ", ".join(item.reasons),
        "since_utc": lambda item: item.since,
    },
)


@router.get("/days/{account_id}/{business_date}")
def show_day(request: Request, user: CurrentUser, account_id: str, business_date: date) -> Response:
    """The day."""
    if table := wanted_table(request):
        details = day_details(visible_account(user, account_id), business_date, service_of(request).ctx)
        if table == "loads":
            return _LOADS.file(request, user, details.batches)
        if table == "rejects":
            return _REJECTS.file(request, user, details.rejects)
        return _FILES.file(request, user, details.files)
    return _show(request, user, account_id, business_date)


@router.post("/days/{account_id}/{business_date}/verify", dependencies=[OwnForm])
def verify(request: Request, user: CurrentUser, account_id: str, business_date: date) -> Response:
    """Recomputes every file of the day and shows the result."""
    visible_account(user, account_id)
    verified = verify_day(account_id, business_date, service_of(request).ctx)
    return _show(request, user, account_id, business_date, verified=verified)


@router.post("/days/{account_id}/{business_date}/seal", dependencies=[OwnForm])
def seal(
    request: Request,
    user: CurrentUser,
    account_id: str,
    business_date: date,
    reason: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Seals the day; in spite of obstacles only with a reason, by an approver."""
    days, ctx = _day_of_form(request, user, Permission.DECIDE, account_id, business_date)
    if reason.strip():
        require(user, Permission.OVERRIDE)
    result = _single(day_acts.seal(user, days, ctx, reason=reason.strip()), "the day could not be sealed")
    if result.outcome == "refused":
        return _show(request, user, account_id, business_date, refused=result.obstacles, status=409)
    return _back(account_id, business_date, "sealed" if result.outcome == "already" else result.outcome)


@router.post("/days/{account_id}/{business_date}/restate", dependencies=[OwnForm])
def restate(
    request: Request,
    user: CurrentUser,
    account_id: str,
    business_date: date,
    reason: Annotated[str, Form(min_length=1, max_length=1_000)],
) -> Response:
    """Restates a late day with a reason."""
    days, ctx = _day_of_form(request, user, Permission.OVERRIDE, account_id, business_date)
    result = _single(day_acts.restate(user, days, ctx, reason=reason.strip()), _NOT_LATE)
    if result.outcome == "refused":
        raise DayNotSealable(_NOT_LATE)
    return _back(account_id, business_date, result.outcome)


@router.post("/days/{account_id}/{business_date}/dismiss", dependencies=[OwnForm])
def dismiss(
    request: Request,
    user: CurrentUser,
    account_id: str,
    business_date: date,
    reason: Annotated[str, Form(min_length=1, max_length=1_000)],
) -> Response:
    """Dismisses the day's rejected lines of both origins with a reason."""
    days, ctx = _day_of_form(request, user, Permission.UPLOAD, account_id, business_date)
    request_ = DismissRequest(user.name, reason.strip(), business_date=business_date, accounts=list(days))
    rows = dismiss_rejects(request_, ctx).rows
    record_event(
        user,
        "dismiss rejects",
        ctx,
        account_id=account_id,
        business_date=business_date,
        subject=count_of(rows, "line"),
        reason=reason.strip(),
    )
    return _back(account_id, business_date, "dismissed")


@router.post("/days/{account_id}/{business_date}/confirm", dependencies=[OwnForm])
def confirm(
    request: Request,
    user: CurrentUser,
    account_id: str,
    business_date: date,
    decision: Annotated[str, Form(pattern="^(approve|turn_down)$")],
) -> Response:
    """Carries out what another approver has asked for, or turns it down."""
    _, ctx = _day_of_form(request, user, Permission.OVERRIDE, account_id, business_date)
    if decision == "turn_down":
        turn_down(user, account_id, business_date, ctx)
        return _back(account_id, business_date, "turned_down")
    outcome = approve(user, account_id, business_date, ctx)
    return _back(account_id, business_date, outcome if outcome in ("restated", "unchanged") else "sealed")


@router.get("/days/{account_id}/{business_date}/versions/{version}")
def show_version(request: Request, user: CurrentUser, account_id: str, business_date: date, version: int) -> Response:
    """Rows that a version added, changed or withdrew."""
    account = visible_account(user, account_id)
    exported = wanted_format(request) is not None
    most = _MOST_EXPORTED if exported else _ROWS
    difference = version_difference(account_id, business_date, version, service_of(request).ctx, most=most)
    if difference is None:
        raise NotVisible
    if exported:
        return _DIFFERENCE.file(request, user, difference.rows)
    return page(request, "version.html", account=account, date=business_date, difference=difference, most=_ROWS)


@router.get("/days/{account_id}/{business_date}/files/{file_id}")
def download_file(request: Request, user: CurrentUser, account_id: str, business_date: date, file_id: str) -> Response:
    """A daily file, byte for byte, or one in another dialect, made now. Viewers get the redacted dialect only."""
    account = visible_account(user, account_id)
    if not file_id.startswith(f"{business_date}_"):
        raise NotVisible
    if not file_id.endswith(f"_{REDACTED}"):
        require(user, Permission.EXACT_FILES)
    require_signed(request)
    ctx = service_of(request).ctx
    file = find_file(account.account_id, file_id, ctx)
    made = make_file(account.account_id, file_id, ctx) if file is None else None
    if file is None and made is None:
        raise NotVisible
    record_event(user, "download", ctx, account_id=account_id, business_date=business_date, subject=file_id)
    if made is not None:
        return StreamingResponse(
            _chunks(made.content),
            media_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="{made.name}"',
                "Content-Length": str(made.size),
                "X-Content-SHA256": made.sha256,
            },
        )
    assert file is not None  # noqa: S101 - one of both was found
    stored = isinstance(file.path, StorePath)
    local = download(file.path) if isinstance(file.path, StorePath) else file.path
    return FileResponse(
        local,
        media_type="application/octet-stream",
        filename=file.path.name,
        headers={"X-Content-SHA256": file.sha256},
        background=BackgroundTask(local.unlink, missing_ok=True) if stored else None,
    )


def _chunks(content: BinaryIO) -> Iterator[bytes]:
    with content:
        while chunk := content.read(_CHUNK):
            yield chunk


def _day_of_form(
    request: Request, user: SignedIn, permission: Permission, account_id: str, business_date: date
) -> tuple[dict[str, list[date]], RunContext]:
    """The day that a form changes, with the context. Raises NotAllowed or NotVisible."""
    require(user, permission)
    return {visible_account(user, account_id).account_id: [business_date]}, service_of(request).ctx


def _single(results: list[ActResult], otherwise: str) -> ActResult:
    """The result of a form of one day. Raises its error."""
    if not results:
        raise DayNotSealable(otherwise)
    if results[0].error is not None:
        raise results[0].error
    return results[0]


def _show(
    request: Request,
    user: SignedIn,
    account_id: str,
    business_date: date,
    *,
    verified: list[VerifiedFile] | None = None,
    refused: tuple[Obstacle, ...] = (),
    status: int = 200,
) -> Response:
    account = visible_account(user, account_id)
    ctx = service_of(request).ctx
    details = day_details(account, business_date, ctx)
    return page(
        request,
        "day.html",
        status=status,
        account=account,
        date=business_date,
        details=details,
        verified=verified,
        refused=refused,
        plot=_plot(details, language_of(request)),
        waiting=waiting_requests([account_id], ctx, business_date=business_date),
        events=list_events(user, ctx, EventFilter(account_id=account_id, business_date=business_date)),
        public_dialect=REDACTED,
        makeable=makeable_files(details.files, ctx),
        grace_ends=grace_end(account, business_date, ctx),
    )  # fmt: skip


def _plot(details: DayDetails, language: Language) -> str:
    series = [
        ChartSeries(Words(language).origin(origin), tuple(float(value) for value in values))
        for origin, values in details.traffic.items()
    ]
    title, hours = language.text("Records by hour (UTC)"), [f"{hour:02d}" for hour in range(24)]
    return columns_svg(title, hours, series, language.number) if series else ""


def _back(account_id: str, business_date: date, notice: str) -> Response:
    return RedirectResponse(f"/days/{account_id}/{business_date}?notice={notice}", status_code=303)
