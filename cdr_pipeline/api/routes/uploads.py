"""Routes of uploads: load a file of a carrier or another system, and list uploads, their states and rejects."""

import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cdr_pipeline.api.answers import COMMON_PARAMETERS, answer, response_type
from cdr_pipeline.api.auth import Caller, reader, uploader
from cdr_pipeline.api.bodies import parsed, read_small, save_body
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.documentation.uploads import CANCELLED, DECISION, REJECTS, UPLOAD, UPLOAD_STATE, UPLOADS
from cdr_pipeline.api.models.uploads import DecisionRequest
from cdr_pipeline.api.negotiation import BodyForm, body_form
from cdr_pipeline.api.parameters import UploadQuery, idempotency_key, parameters_of
from cdr_pipeline.api.refusals import (
    conflict,
    in_flight,
    invalid,
    no_such,
    other_request,
)
from cdr_pipeline.api.service import service_of
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.receive_upload import (
    ReceivedFile,
    UploadReply,
    cancel_received_upload,
    decide_received_upload,
    receive_upload,
    rejects_of,
    uploads_of,
)

router = APIRouter(tags=["uploads"])
Reader = Annotated[Caller, Depends(reader)]
Uploader = Annotated[Caller, Depends(uploader)]

_KNOWN: Final = COMMON_PARAMETERS | {"profile", "time_zone", "dry_run"}
_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_UPLOAD_ID: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME: Final = 100
# Seconds after which a client asks again for the response to a request that is running.
_RETRY_SECONDS: Final = 5
_STATUS: Final = {"created": 201, "accepted": 202, "known": 200, "previewed": 200}


@router.put("/accounts/{account_id}/cdrs", status_code=201, summary="Upload records", **described(UPLOAD))
async def put_records(request: Request, caller: Uploader) -> Response:
    """Loads a file of records, all or nothing. Uploading the same bytes again changes nothing."""
    return await _upload(request, caller)


@router.post("/accounts/{account_id}/cdrs", status_code=201, summary="Upload records", **described(UPLOAD))
async def post_records(request: Request, caller: Uploader) -> Response:
    """Loads a file of records, all or nothing. Uploading the same bytes again changes nothing."""
    return await _upload(request, caller)


@router.get("/accounts/{account_id}/uploads", summary="List uploads", **described(UPLOADS))
async def list_uploads(request: Request, caller: Reader) -> Response:
    """Uploads of an account, newest first, with their states and counts."""
    media = response_type(request)
    uploads = await service_of(request).read(uploads_of, caller.account.account_id, "")
    return answer(request, media, uploads, name="uploads")


@router.get("/accounts/{account_id}/uploads/{upload_id}", summary="State of an upload", **described(UPLOAD_STATE))
async def upload_state(request: Request, caller: Reader, upload_id: str) -> Response:
    """State and counts of an upload."""
    media = response_type(request)
    return answer(request, media, await _known_upload(request, caller, _id(upload_id)), name="upload")


@router.delete("/accounts/{account_id}/uploads/{upload_id}", summary="Cancel an upload", **described(CANCELLED))
async def cancel_upload(request: Request, caller: Uploader, upload_id: str) -> Response:
    """Stops the load of an upload that is not loaded yet and discards it. A loaded upload stays: 409."""
    media, upload = response_type(request), _id(upload_id)
    service, account_id = service_of(request), caller.account.account_id
    await _known_upload(request, caller, upload)
    await service.uploads.cancel(account_id, upload)
    by, seconds = f"token {caller.token.token_id}", service.ctx.settings.serve_search_seconds
    state = await service.act(cancel_received_upload, account_id, upload, by, seconds=seconds)
    if state != "discarded":
        raise conflict("upload_not_waiting", "only an upload that waits can be cancelled", state=state)
    return answer(request, media, await _known_upload(request, caller, upload), name="upload")


@router.get("/accounts/{account_id}/uploads/{upload_id}/rejects", summary="Rejected lines", **described(REJECTS))
async def upload_rejects(request: Request, caller: Reader, upload_id: str) -> Response:
    """Open rejected lines of an upload: line, field, reason, raw text and detail."""
    media = response_type(request)
    rejects = await service_of(request).read(rejects_of, caller.account.account_id, _id(upload_id))
    if rejects is None:
        raise no_such("bad_identifier", {"cause": upload_id, "message": "bad identifier"})
    return answer(request, media, rejects, name="rejects")


@router.put(
    "/accounts/{account_id}/uploads/{upload_id}/decision",
    summary="Release or discard a held upload",
    **described(DECISION),
)
async def decide_upload(request: Request, caller: Uploader, upload_id: str) -> Response:
    """Releases a held upload, whose records are then loaded, or discards it permanently."""
    media, upload = response_type(request), _id(upload_id)
    service, account_id = service_of(request), caller.account.account_id
    decision = parsed(DecisionRequest, await read_small(request)).data.decision
    state = (await _known_upload(request, caller, upload))["state"]
    if state != "held":
        raise conflict("upload_not_held", "only a held upload needs a decision", state=state)
    by = f"token {caller.token.token_id}"
    await service.uploads.run(
        caller.token.account_id, decide_received_upload, account_id, upload, decision, by, service.acting
    )
    return answer(request, media, await _known_upload(request, caller, upload), name="upload")


async def _known_upload(request: Request, caller: Caller, upload_id: str) -> dict[str, Any]:
    """The upload of an id. Raises RequestRefused: 404."""
    found = await service_of(request).read(uploads_of, caller.account.account_id, upload_id)
    if not found:
        raise no_such("bad_identifier", {"cause": upload_id, "message": "bad identifier"})
    return found[0]


async def _upload(request: Request, caller: Caller) -> Response:
    media = response_type(request, _KNOWN)
    form = body_form(request.headers.get("content-type"))
    ctx = service_of(request).ctx
    with _folder(ctx) as folder:
        path = folder / _file_name(request, form)
        file = _received_file(request, caller, form, path)
        size = await save_body(request, path, ctx.settings.serve_upload_bytes)
        if not size:
            raise invalid("body", "empty", "the body is empty: send the file itself")
        queue, owner = service_of(request).uploads, caller.token.account_id
        if not file.dry_run and (size > ctx.settings.serve_upload_wait_bytes or _prefers_not_to_wait(request)):
            queue.require_room(owner)
            reply = await to_thread.run_sync(receive_upload, replace(file, later=True), ctx)
            if reply.registered is not None:
                queue.start(owner, reply.registered, ctx)
        else:
            reply = await queue.run(owner, receive_upload, file, service_of(request).acting)
    return _response(request, media, reply)


def _prefers_not_to_wait(request: Request) -> bool:
    """Whether the client asks for 202 at once (RFC 7240)."""
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return any(preference.strip().lower() == "respond-async" for preference in preferences)


def _response(request: Request, media: str, reply: UploadReply) -> Response:
    if reply.outcome == "working":
        raise in_flight(_RETRY_SECONDS)
    if reply.outcome == "other":
        raise other_request()
    if reply.outcome == "held":
        raise conflict(
            "upload_held",
            "the file repeats records of another file; an operator must release or discard it",
            **reply.data,
        )
    response = answer(request, media, reply.data, status=_STATUS[reply.outcome], name="upload")
    if reply.outcome == "accepted":
        response.headers["Location"] = f"{request.url.path.removesuffix('/cdrs')}/uploads/{reply.data['upload_id']}"
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    if reply.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _received_file(request: Request, caller: Caller, form: BodyForm, path: Path) -> ReceivedFile:
    """The file with the options of the request. Raises RequestRefused: 400."""
    options = parameters_of(UploadQuery, request)
    key = idempotency_key(request)
    return ReceivedFile(path, caller.account.account_id, form, options.profile, options.time_zone, options.dry_run, key)


@contextmanager
def _folder(ctx: RunContext) -> Generator[Path]:
    """A folder for one body, deleted after the block."""
    folder = ctx.settings.local_dir / "serve" / "bodies" / secrets.token_hex(8)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _file_name(request: Request, form: BodyForm) -> str:
    """The display name of the file, reduced to safe characters; it cannot contain a path."""
    text = request.headers.get("x-file-name") or request.query_params.get("file_name") or ""
    return _FILE_NAME.sub("_", text).strip("._")[:_LONGEST_NAME] or f"upload.{form}"


def _id(text: str) -> str:
    if not _UPLOAD_ID.fullmatch(text):
        raise no_such("bad_identifier", {"message": "bad identifier"})
    return text
