"""Files in: the list, a dry run before a file is loaded, rejected lines to correct, and held files."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.screens.profiles import show_draft
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import (
    CurrentUser,
    NotVisible,
    OwnForm,
    chosen_account,
    require,
    visible_account,
    visible_accounts,
)
from cdr_pipeline.console.staged_files import StagedFile, find_staged, forget, stage, with_profile
from cdr_pipeline.console.tables import TableExport, wanted_format, wanted_table
from cdr_pipeline.errors import CdrError, DecisionConflict
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, record_event
from cdr_pipeline.steps.uploads.corrected_rejects import RejectedRow, RejectTable, correct_rejects, reject_table
from cdr_pipeline.steps.uploads.decide_uploads import discard_upload, release_upload
from cdr_pipeline.steps.uploads.dropped_files import WaitingDrop, waiting_drops
from cdr_pipeline.steps.uploads.exported_upload import export_upload
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.preview_upload import PreviewedUpload, preview_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.steps.uploads.rejects import DismissRequest, dismiss_rejects
from cdr_pipeline.warehouse.ledger import UPLOAD_STATES, UploadLine

router = APIRouter()
# So many rows fit a page of 100 kB.
_SHOWN: Final = 100
_LINES: Final = 200
# Cells of a page, and some fields.
_MOST_CELLS: Final = 100_000
_MOST_EXPORTED: Final = 1_000_000
_REJECTS: Final = TableExport[RejectedRow](
    "rejected_lines",
    {
        "line": lambda row: row.line,
        "field": lambda row: row.field,
        "reason": lambda row: row.reason,
        "detail": lambda row: row.detail,
        "text": lambda row: row.raw,
    },
    private=("text", "detail"),
)
_UPLOADS: Final = TableExport[UploadLine](
    "files_in",
    {
        "file": lambda item: item.file_name,
        "account": lambda item: item.account_id,
        "profile": lambda item: item.profile,
        "id": lambda item: item.sha256,
        "received_utc": lambda item: item.received_at,
        "state": lambda item: item.state,
        "read": lambda item: item.rows_read,
        "new": lambda item: item.rows_inserted,
        "rejected": lambda item: item.rows_rejected,
        "error": lambda item: item.error_message,
        "decided_by": lambda item: item.decided_by,
    },
)

_DROPS: Final = TableExport[WaitingDrop](
    "drop_folder",
    {
        "file": lambda item: item.place,
        "account": lambda item: item.account_id,
        "state": lambda item: item.state,
        "since_utc": lambda item: item.since,
        "error": lambda item: item.message,
    },
)


@router.get("/uploads")
def show_uploads(request: Request, user: CurrentUser) -> Response:
    """The newest files, those that wait in the drop folder, and the form for a new one."""
    return _show(request, user)


@router.post("/uploads", dependencies=[OwnForm])
def try_file(
    request: Request,
    user: CurrentUser,
    account: Annotated[str, Form(max_length=200)],
    file: UploadFile,
    profile: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Reads the file without loading it and shows what would happen to each line; without a profile, proposes one."""
    require(user, Permission.UPLOAD)
    owner = visible_account(user, chosen_account(user, account))
    if not file.filename:
        return _show(request, user, refusal="Choose a file.", status=400)
    staged = stage(
        file.file, user_id=user.user_id, account_id=owner.account_id, profile=profile, file_name=file.filename
    )
    return _preview(request, user, staged) if profile else show_draft(request, user, staged, {})


@router.post("/uploads/try", dependencies=[OwnForm])
def try_again(
    request: Request,
    user: CurrentUser,
    key: Annotated[str, Form(max_length=100)],
    profile: Annotated[str, Form(min_length=1, max_length=200)],
) -> Response:
    """Reads a file that was sent before with another profile."""
    require(user, Permission.UPLOAD)
    staged = find_staged(key, user.user_id)
    if staged is None:
        raise NotVisible
    return _preview(request, user, with_profile(staged, profile))


def _preview(request: Request, user: SignedIn, staged: StagedFile) -> Response:
    owner = visible_account(user, staged.account_id)
    try:
        preview = preview_upload(_request_of(staged), service_of(request).ctx)
    except CdrError as error:
        forget(staged)
        return _show(request, user, refusal=error, status=400)
    return page(
        request,
        "upload_preview.html",
        account=owner,
        staged=staged,
        preview=preview,
        lines=_refused_lines(preview),
        most=_LINES,
    )


@router.post("/uploads/load", dependencies=[OwnForm])
def load_file(request: Request, user: CurrentUser, key: Annotated[str, Form(max_length=100)]) -> Response:
    """Loads the file of a dry run."""
    require(user, Permission.UPLOAD)
    staged = find_staged(key, user.user_id)
    if staged is None:
        raise NotVisible
    visible_account(user, staged.account_id)
    ctx = service_of(request).ctx
    loaded = import_upload(_request_of(staged), ctx)
    export_upload(loaded, ctx)
    forget(staged)
    record_event(
        user, "upload", ctx, account_id=staged.account_id, subject=f"{staged.profile}: {loaded.counts.read} rows"
    )
    return RedirectResponse("/uploads?notice=loaded", status_code=303)


@router.post("/uploads/decide", dependencies=[OwnForm])
def decide_file(
    request: Request,
    user: CurrentUser,
    account: Annotated[str, Form(max_length=200)],
    upload: Annotated[str, Form(min_length=12, max_length=200)],
    decision: Annotated[str, Form(pattern="^(release|discard)$")],
) -> Response:
    """Releases or discards a held file."""
    require(user, Permission.OPERATE)
    owner = visible_account(user, account)
    ctx = service_of(request).ctx
    if decision == "release":
        export_upload(release_upload(upload, ctx, decided_by=user.name, account_id=owner.account_id), ctx)
    else:
        discard_upload(upload, ctx, decided_by=user.name, account_id=owner.account_id)
    record_event(user, f"{decision} upload", ctx, account_id=owner.account_id, subject=upload[:12])
    return RedirectResponse(f"/uploads?notice={'released' if decision == 'release' else 'discarded'}", status_code=303)


@router.get("/uploads/{account_id}/{upload_id}/rejects")
def rejects(request: Request, user: CurrentUser, account_id: str, upload_id: str) -> Response:
    """Rejected lines of a file with field and reason, as cells to correct."""
    if wanted_format(request):
        visible_account(user, account_id)
        found = reject_table(account_id, upload_id, service_of(request).ctx, most=_MOST_EXPORTED)
        return _REJECTS.file(request, user, found.rows)
    return _show_rejects(request, user, account_id, upload_id)


@router.post("/uploads/{account_id}/{upload_id}/rejects", dependencies=[OwnForm])
async def post_rejects(request: Request, user: CurrentUser, account_id: str, upload_id: str) -> Response:
    """Imports the lines whose cells were changed, and closes the others with ``dismiss``."""
    require(user, Permission.UPLOAD)
    visible_account(user, account_id)
    form = await request.form(max_fields=_MOST_CELLS)
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    return await run_in_threadpool(_correct, request, user, account_id, upload_id, fields)


def _correct(request: Request, user: SignedIn, account_id: str, upload_id: str, fields: dict[str, str]) -> Response:
    ctx = service_of(request).ctx
    try:
        if "dismiss" in fields:
            request_ = DismissRequest(user.name, fields.get("reason", ""), upload_id, accounts=[account_id])
            closed = dismiss_rejects(request_, ctx).rows
            action, subject, notice, shown = "dismiss rejects", count_of(closed, "line"), "dismissed", upload_id
        else:
            table = reject_table(account_id, upload_id, ctx, most=_LINES)
            loaded = correct_rejects(account_id, upload_id, _changed(table, fields), ctx).loaded
            counts = loaded.counts
            action, notice = "correct rejects", "still_rejected" if counts.rejected else "corrected"
            subject = f"{count_of(counts.read, 'line')}, {counts.rejected} rejected again"
            # Lines that are rejected again belong to the correction.
            shown = loaded.sha256 if counts.rejected else upload_id
    except CdrError as error:
        status = 409 if isinstance(error, DecisionConflict) else 400
        return _show_rejects(request, user, account_id, upload_id, refusal=error, status=status)
    record_event(
        user,
        action,
        ctx,
        account_id=account_id,
        subject=f"{upload_id[:12]}: {subject}",
        reason=fields.get("reason", ""),
    )
    path = request.url_for("rejects", account_id=account_id, upload_id=shown)
    return RedirectResponse(path.include_query_params(notice=notice), status_code=303)


def _changed(table: RejectTable, fields: Mapping[str, str]) -> dict[int, list[str]]:
    """Cells of the lines in which a cell differs from the delivered one, by line."""
    changed: dict[int, list[str]] = {}
    for row in table.rows:
        cells = [fields.get(f"cell-{row.line}-{number}", cell) for number, cell in enumerate(row.cells)]
        # Browsers send line breaks as CR and LF.
        cells = [cell.replace("\r\n", "\n") for cell in cells]
        if cells != [cell.replace("\r\n", "\n") for cell in row.cells]:
            changed[row.line] = cells
    return changed


def _show_rejects(
    request: Request,
    user: SignedIn,
    account_id: str,
    upload_id: str,
    *,
    refusal: CdrError | None = None,
    status: int = 200,
) -> Response:
    owner = visible_account(user, account_id)
    ctx = service_of(request).ctx
    with ctx.ledger() as ledger:
        if ledger.uploads.find(owner.account_id, upload_id) is None:
            raise NotVisible
    table = reject_table(owner.account_id, upload_id, ctx, most=_LINES)
    return page(
        request,
        "rejects.html",
        status=status,
        account=owner,
        upload=table.upload,
        table=table,
        refusal=refusal,
        most=_LINES,
    )


def _request_of(staged: StagedFile) -> UploadRequest:
    return UploadRequest(staged.path, staged.account_id, staged.profile)


def _refused_lines(preview: PreviewedUpload) -> list[dict[str, Any]]:
    return preview.lines.filter(preview.lines["class"] == "rejected").head(_LINES).to_dicts()


def _show(request: Request, user: SignedIn, *, refusal: str | CdrError = "", status: int = 200) -> Response:
    ctx = service_of(request).ctx
    accounts = visible_accounts(user)
    query = request.query_params
    account_id = chosen_account(user, query.get("account", ""))
    wanted = query.get("state", "")
    chosen = {"unreadable": "refused"}.get(wanted, wanted)
    with ctx.ledger() as ledger:
        uploads = ledger.uploads.list_all(
            [account_id] if account_id else list(accounts),
            states=(chosen,) if chosen in UPLOAD_STATES else UPLOAD_STATES,
            most=None if wanted_format(request) else _SHOWN,
        )
        drops = waiting_drops(ledger, ctx, list(accounts))
    if wanted_table(request) == "drops" and request.method == "GET":
        return _DROPS.file(request, user, [drop for drop in drops if user.everything or drop.account_id is not None])
    if wanted_format(request) and request.method == "GET":
        return _UPLOADS.file(request, user, uploads)
    return page(
        request,
        "uploads.html",
        status=status,
        accounts=accounts,
        account_id=account_id,
        state=chosen,
        states=UPLOAD_STATES,
        uploads=uploads,
        most=_SHOWN,
        drops=[drop for drop in drops if user.everything or drop.account_id is not None],
        profiles=sorted(list_profiles(ctx.settings.profile_dir)),
        refusal=refusal,
    )
