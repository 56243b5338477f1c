"""Extracts: files of records that accounts request and download later. Requests, states, downloads and deletion.

``making_extracts`` makes the files.
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from cdr_pipeline.errors import ExtractGone, ExtractNotFound
from cdr_pipeline.exports.extract_file import remove_extract, suffix_of
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.records.extracts import Extract, NewExtract
from cdr_pipeline.warehouse.uploads.idempotent_responses import StoredResponse

# Extracts of one owner that are not made yet.
MOST_WAITING: Final = 20
# How long an extract that has ended is shown.
_SHOWN_FOR: Final = timedelta(days=7)
_LISTED: Final = 1_000
_WITHDRAWN: Final = {
    "code": ExtractGone.code,
    "message": "records of the account were erased, masked or removed after the request",
    "hint": "request the extract again",
}


@dataclass(frozen=True, slots=True)
class ExtractRequest:
    """A file of records to make.

    Attributes:
        account_id: account that owns the records.
        owner_id: account of the token.
        token_id: id of the token.
        request: what is requested, as JSON values; the caller reads it again when the file is made.
        form: form of the list.
        compression: compression of the file.
        first_moment, last_moment: period, both inclusive; None without a period.
        key: Idempotency-Key of the client; None without one.
    """

    account_id: str
    owner_id: str
    token_id: str
    request: Mapping[str, Any]
    form: str
    compression: str
    first_moment: datetime | None
    last_moment: datetime | None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ExtractReply:
    """Response to a request.

    Attributes:
        outcome: ``accepted``; ``full``, too many extracts wait; ``no_space``, the files have as many bytes as allowed;
            ``working``, a request with the same key is running; ``other``, the key was used for another request.
        extract: the extract; None unless it is accepted.
        repeated: whether the same key had requested it before.
    """

    outcome: Literal["accepted", "full", "no_space", "working", "other"]
    extract: dict[str, Any] | None = None
    repeated: bool = False


def request_extract(wanted: ExtractRequest, ctx: RunContext) -> ExtractReply:
    """Records a request, or returns the response to the same idempotency key."""
    with ctx.ledger() as ledger:
        if wanted.key is None:
            return _requested(wanted, ledger, ctx)
        content = [wanted.owner_id, wanted.form, wanted.compression, dict(wanted.request)]
        fingerprint = hashlib.sha256(b"extract\x1f" + orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
        responses = ledger.responses
        claim = responses.begin(
            account_id=wanted.account_id, key=wanted.key, fingerprint=fingerprint, now=ctx.clock()
        )  # fmt: skip
        if isinstance(claim, StoredResponse):
            if claim.state != "done" or claim.answer is None:
                return ExtractReply("other" if claim.state == "other" else "working")
            return ExtractReply("accepted", claim.answer, repeated=True)
        try:
            reply = _requested(wanted, ledger, ctx)
        except BaseException:
            responses.release(claim)
            raise
        if reply.extract is None:
            responses.release(claim)
        else:
            responses.finish(claim, status=0, answer=reply.extract)
        return reply


def extracts_of(account_id: str, owners: Collection[str], ctx: RunContext) -> list[dict[str, Any]]:
    """Extracts of an account that some owners requested, newest first."""
    with ctx.ledger() as ledger:
        found = ledger.extracts.extracts(account_id, owners, most=_LISTED)
    return [shown(extract, ctx.clock()) for extract in found]


def extract_of(account_id: str, owners: Collection[str], extract_id: str, ctx: RunContext) -> Extract:
    """The extract of an id. Raises ExtractNotFound."""
    with ctx.ledger() as ledger:
        found = ledger.extracts.extracts(account_id, owners, extract_id=extract_id)
    if not found:
        raise ExtractNotFound("no extract of this id")
    return found[0]


def delete_extract(extract: Extract, ctx: RunContext) -> dict[str, Any]:
    """Cancels an extract, or deletes its file. Returns it as it was; it is not shown any more."""
    with ctx.ledger() as ledger:
        if not ledger.extracts.delete(extract.account_id, extract.extract_id, now=ctx.clock()):
            raise ExtractNotFound("no extract of this id")
    clear_extracts(ctx)
    return shown(extract, ctx.clock()) | {"state": "deleted"}


def file_of(extract: Extract, ctx: RunContext) -> Path:
    """Path of the file of an extract that is ready.

    Raises:
        ExtractGone: the file has expired, was withdrawn, or is not there any more.
    """
    path = extract_path(ctx.settings, extract, extract.file_id or "")
    if state_of(extract, ctx.clock()) != "ready" or not path.is_file():
        raise ExtractGone("the file of this extract is not kept any more", hint="request the extract again")
    return path


def withdraw_extracts(
    account_id: str,
    ledger: Ledger,
    *,
    now: datetime,
    before: datetime | None = None,
    pattern: str | None = None,
) -> int:
    """Ends the extracts whose files may show records that are erased, masked or removed.

    ``clear_extracts`` deletes the files after the transaction.

    Args:
        account_id: account that owns the records.
        ledger: ledger of the transaction that changes the records.
        now: current time.
        before: only extracts whose period begins before this time, or that have none.
        pattern: only extracts whose request contains what this regular expression describes.

    Returns:
        Number of extracts.
    """
    return ledger.extracts.withdraw(account_id, _WITHDRAWN, now=now, before=before, pattern=pattern)


def clear_extracts(ctx: RunContext) -> None:
    """Ends extracts that have expired, deletes the files of all that have ended, and forgets old ones."""
    with ctx.ledger() as ledger:
        ledger.extracts.expire(now=ctx.clock())
        for account_id, extract_id in ledger.extracts.to_clear():
            remove_extract(ctx.settings.extract_dir / account_id, extract_id)
            ledger.extracts.clear(extract_id)
        ledger.extracts.forget(before=ctx.clock() - _SHOWN_FOR)


def clear_strays(ctx: RunContext) -> None:
    """Deletes files of extracts that the warehouse does not know, as after a process was killed or a restore."""
    # The files come first: one that is written meanwhile belongs to an extract that is known.
    files = list(ctx.settings.extract_dir.glob("*/*"))
    with ctx.ledger() as ledger:
        known = ledger.extracts.known()
    for path in files:
        extract_id = path.name.lstrip(".").partition(".")[0]
        if extract_id not in known:
            remove_extract(path.parent, extract_id)


def extract_path(settings: Settings, extract: Extract, file_id: str) -> Path:
    """Path of a file of an extract; each process that makes one has an id of its own for it."""
    suffix = suffix_of(extract.form, extract.compression)
    return settings.extract_dir / extract.account_id / f"{extract.extract_id}.{file_id}{suffix}"


def state_of(extract: Extract, now: datetime) -> str:
    """State of an extract; a file that has expired is not ready, even if it is not deleted yet."""
    if extract.state == "ready" and extract.expires_at is not None and extract.expires_at <= now:
        return "expired"
    return extract.state


def shown(extract: Extract, now: datetime) -> dict[str, Any]:
    """An extract as JSON values."""
    return {
        "extract_id": extract.extract_id,
        "account_id": extract.account_id,
        "state": state_of(extract, now),
        "format": extract.form,
        "compression": extract.compression,
        "kind": extract.request.get("kind"),
        "user_id": extract.request.get("user_id"),
        "parameters": extract.request.get("parameters", {}),
        "created_from": _text(extract.first_moment),
        "created_to": _text(extract.last_moment),
        "rows": extract.row_count,
        "bytes": extract.byte_count,
        "slices": extract.slices,
        "slices_done": extract.slices_done,
        "sha256": extract.sha256,
        "error": extract.error,
        "created_at": _text(extract.created_at),
        "ended_at": _text(extract.ended_at),
        "expires_at": _text(extract.expires_at),
    }


def _requested(wanted: ExtractRequest, ledger: Ledger, ctx: RunContext) -> ExtractReply:
    use = ledger.extracts.use_of(wanted.owner_id)
    if use.waiting >= MOST_WAITING:
        return ExtractReply("full")
    if use.byte_count >= ctx.settings.serve_extract_bytes:
        return ExtractReply("no_space")
    extract_id = secrets.token_hex(16)
    ledger.extracts.add(
        NewExtract(
            wanted.account_id,
            extract_id,
            wanted.owner_id,
            wanted.token_id,
            wanted.request,
            wanted.form,
            wanted.compression,
            wanted.first_moment,
            wanted.last_moment,
        ),
        now=ctx.clock(),
    )
    (extract,) = ledger.extracts.extracts(wanted.account_id, [wanted.owner_id], extract_id=extract_id)
    return ExtractReply("accepted", shown(extract, ctx.clock()))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
