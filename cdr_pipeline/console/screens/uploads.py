"""Files in: the list, a dry run with the result of every line before a file is loaded, and held files."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import (
    CurrentUser,
    NotVisible,
    OwnForm,
    require,
    visible_account,
    visible_accounts,
)
from cdr_pipeline.console.staged_files import StagedFile, find_staged, forget, stage
from cdr_pipeline.errors import CdrError
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, record_event
from cdr_pipeline.steps.uploads.decide_uploads import discard_upload, release_upload
from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
from cdr_pipeline.steps.uploads.exported_upload import export_upload
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.preview_upload import PreviewedUpload, preview_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.ledger import UPLOAD_STATES

router = APIRouter()
_SHOWN: Final = 200
_LINES: Final = 200


@router.get("/uploads")
def show_uploads(request: Request, user: CurrentUser) -> Response:
    """The newest files, those that wait in the drop folder, and the form for a new one."""
    return _show(request, user)


@router.post("/uploads", dependencies=[OwnForm])
def try_file(
    request: Request,
    user: CurrentUser,
    account: Annotated[str, Form(max_length=200)],
    profile: Annotated[str, Form(max_length=200)],
    file: UploadFile,
) -> Response:
    """Reads the file without loading it and shows what would happen to each line."""
    require(user, Permission.UPLOAD)
    owner = visible_account(user, account)
    if not file.filename:
        return _show(request, user, refusal="Choose a file.", status=400)
    staged = stage(
        file.file, user_id=user.user_id, account_id=owner.account_id, profile=profile, file_name=file.filename
    )
    try:
        preview = preview_upload(_request_of(staged), service_of(request).ctx)
    except CdrError as error:
        forget(staged)
        return _show(request, user, refusal=error.message, hint=error.hint, status=400)
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
    """Rejected lines of a file, with field and reason."""
    owner = visible_account(user, account_id)
    with service_of(request).ctx.ledger() as ledger:
        upload = ledger.uploads.find(owner.account_id, upload_id)
        if upload is None:
            raise NotVisible
        rows = ledger.uploads.rejects(owner.account_id, upload_id).head(_LINES).to_dicts()
    return page(request, "rejects.html", account=owner, upload=upload, rows=rows, most=_LINES)


def _request_of(staged: StagedFile) -> UploadRequest:
    return UploadRequest(staged.path, staged.account_id, staged.profile)


def _refused_lines(preview: PreviewedUpload) -> list[dict[str, Any]]:
    return preview.lines.filter(preview.lines["class"] == "rejected").head(_LINES).to_dicts()


def _show(request: Request, user: SignedIn, *, refusal: str = "", hint: str = "", status: int = 200) -> Response:
    ctx = service_of(request).ctx
    accounts = visible_accounts(user)
    query = request.query_params
    account_id = query.get("account", "")
    if account_id and account_id not in accounts:
        raise NotVisible
    wanted = query.get("state", "")
    chosen = {"unreadable": "refused"}.get(wanted, wanted)
    with ctx.ledger() as ledger:
        uploads = ledger.uploads.list_all(
            [account_id] if account_id else list(accounts),
            states=(chosen,) if chosen in UPLOAD_STATES else UPLOAD_STATES,
        )
        drops = waiting_drops(ledger, ctx, list(accounts))
    return page(
        request,
        "uploads.html",
        status=status,
        accounts=accounts,
        account_id=account_id,
        state=chosen,
        states=UPLOAD_STATES,
        uploads=uploads[:_SHOWN],
        most=_SHOWN,
        drops=[drop for drop in drops if user.everything or drop.account_id is not None],
        profiles=sorted(list_profiles(ctx.settings.profile_dir)),
        refusal=refusal,
        hint=hint,
    )
