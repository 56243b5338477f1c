"""Rejected lines: exported in the format of their file, corrected by a person, fed again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.corrections import ENCODING, read_correction, reject_file
from cdr_pipeline.sources.uploads.opening import read_text
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload, load_taken
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, take_in
from cdr_pipeline.warehouse.ledger import Ledger, UploadLine

_MARKED_LINE: Final = re.compile(
    r'"?([0-9a-f]{16})"?.{1,3}"?[0-9]+"?.{1,3}"?[a-z_]+(?::[a-z_0-9]*)?"?\s*$', re.MULTILINE
)
_MARKED_DOCUMENT: Final = re.compile(r'"reject_upload": ?"([0-9a-f]{16})"')


@dataclass(frozen=True, slots=True)
class RejectFile:
    """A reject file.

    Attributes:
        upload: the upload whose open rejects it holds.
        rows: their number.
        lines: its text, line by line.
    """

    upload: UploadLine
    rows: int
    lines: Iterator[str]


def find_upload(ledger: Ledger, upload: str, account_id: str | None = None) -> UploadLine:
    """The one upload whose sha256 begins so.

    Raises:
        UnreadableUpload: there is none, or several.
    """
    accounts = [account.account_id for account in ledger.accounts.all()]
    found = ledger.uploads.list_all(accounts if account_id is None else [account_id], sha256_prefix=upload.lower())
    if len(found) != 1 or not upload:
        raise UnreadableUpload(
            f"{len(found)} uploads have an id that begins like that",
            hint="'cdr-pipeline uploads list' shows the ids; with the same file in two accounts add --account",
        )
    return found[0]


def export_rejects(upload: str, ctx: RunContext, account_id: str | None = None) -> RejectFile:
    """The open rejects of an upload in the format of its file, with upload, line and reason as last columns.

    Args:
        upload: its id, or the beginning of it.
        ctx: settings, warehouse, clock and progress callback.
        account_id: whose, when the same file was delivered for two accounts.

    Raises:
        UnreadableUpload: no such upload.
    """
    with ctx.ledger() as ledger:
        found = find_upload(ledger, upload, account_id)
        rejects = ledger.uploads.rejects(found.account_id, found.sha256)
        first = find_upload(ledger, found.corrects, found.account_id) if found.corrects else found
    profile = load_profile(found.profile, folder=ctx.settings.profile_dir)
    source = ctx.settings.landing_dir / first.landing_path
    return RejectFile(found, rejects.height, reject_file(source, profile, first.sha256, rejects))


def replay_rejects(path: Path, ctx: RunContext, account_id: str | None = None) -> LoadedUpload:
    """Feeds a corrected reject file: its lines close the rejects they came from; what is still wrong is a reject again.

    Raises:
        UnreadableUpload: it is no reject file, or of no known upload.
        UnbalancedBatch: nothing was merged.
    """
    with ctx.ledger() as ledger:
        first = find_upload(ledger, _upload_of(path), account_id)
    profile = load_profile(first.profile, folder=ctx.settings.profile_dir)
    correction = read_correction(path, profile)
    if not first.sha256.startswith(correction.upload):
        raise UnreadableUpload(f"{path.name} holds lines of several uploads", hint="feed one upload's at a time")
    request = UploadRequest(path, first.account_id, first.profile, first.time_zone, corrects=first.sha256)
    return load_taken(take_in(request, ctx), ctx)


def _upload_of(path: Path) -> str:
    """The upload that a reject file's lines name, found without knowing its format."""
    text = read_text(path, ENCODING)
    marks = _MARKED_LINE.findall(text) + _MARKED_DOCUMENT.findall(text)
    if not marks:
        raise UnreadableUpload(
            f"{path.name} is no reject file: its last columns do not name an upload, a line and a reason",
            hint="correct what 'cdr-pipeline rejects export' wrote, and leave the last three columns as they are",
        )
    return str(marks[0])
