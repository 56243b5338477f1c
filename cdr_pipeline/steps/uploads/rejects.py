"""Rejected lines: exports them in the format of their file and imports the corrected file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ConfigurationError, UnreadableUpload
from cdr_pipeline.sources.uploads.corrections import ENCODING, read_correction, reject_file
from cdr_pipeline.sources.uploads.opening import read_text
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.reconciliation.reconcile_again import reconcile_again
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconciledDay
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload, load_registered
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, register_upload
from cdr_pipeline.warehouse.ledger import Ledger, UploadLine

_MARKED_LINE: Final = re.compile(
    r'"?([0-9a-f]{16})"?.{1,3}"?[0-9]+"?.{1,3}"?[a-z_]+(?::[a-z_0-9]*)?"?\s*$', re.MULTILINE
)
_MARKED_DOCUMENT: Final = re.compile(r'"reject_upload": ?"([0-9a-f]{16})"')


@dataclass(frozen=True, slots=True)
class RejectFile:
    """A reject file.

    Attributes:
        upload: upload that the rejects belong to.
        rows: number of open rejects.
        lines: text of the file, line by line.
    """

    upload: UploadLine
    rows: int
    lines: Iterator[str]


@dataclass(frozen=True, slots=True)
class DismissRequest:
    """Rejected rows to close, and who decided it.

    Attributes:
        decided_by: person responsible.
        reason: why.
        upload: id of an upload, or its beginning; empty for rows of any source.
        business_date: day of the rows; None for any day.
        accounts: ids of accounts; all active ones when omitted.
    """

    decided_by: str
    reason: str
    upload: str = ""
    business_date: date | None = None
    accounts: Sequence[str] | None = None


def find_upload(ledger: Ledger, upload: str, account_id: str | None = None) -> UploadLine:
    """The only upload whose id begins with ``upload``.

    Raises:
        UnreadableUpload: no upload matches, or more than one.
    """
    accounts = [account.account_id for account in ledger.accounts.all()]
    matches = ledger.uploads.list_all(accounts if account_id is None else [account_id], sha256_prefix=upload.lower())
    if len(matches) != 1 or not upload:
        raise UnreadableUpload(
            f"{len(matches)} uploads have an id that begins like that",
            hint="'cdr-pipeline uploads list' shows the ids; with the same file in two accounts add --account",
        )
    return matches[0]


def export_rejects(upload: str, ctx: RunContext, account_id: str | None = None) -> RejectFile:
    """The open rejects of an upload in the format of its file, with upload, line and reason as last columns.

    Args:
        upload: id of the upload, or its beginning.
        ctx: settings, warehouse, clock and progress callback.
        account_id: account of the upload; required when the same file was delivered for two accounts.

    Raises:
        UnreadableUpload: the upload does not exist.
    """
    with ctx.ledger() as ledger:
        line = find_upload(ledger, upload, account_id)
        rejects = ledger.uploads.rejects(line.account_id, line.sha256)
        first = find_upload(ledger, line.corrects, line.account_id) if line.corrects else line
    profile = load_profile(line.profile, folder=ctx.settings.profile_dir)
    source = ctx.settings.landing_dir / first.landing_path
    return RejectFile(line, rejects.height, reject_file(source, profile, first.sha256, rejects))


def replay_rejects(path: Path, ctx: RunContext, account_id: str | None = None) -> LoadedUpload:
    """Imports a corrected reject file. Its lines close the rejects they correct; invalid lines become rejects again.

    Raises:
        UnreadableUpload: it is not a reject file, or its upload does not exist.
        UnbalancedBatch: nothing was merged.
    """
    with ctx.ledger() as ledger:
        first = find_upload(ledger, _upload_of(path), account_id)
    profile = load_profile(first.profile, folder=ctx.settings.profile_dir)
    correction = read_correction(path, profile)
    if not first.sha256.startswith(correction.upload):
        raise UnreadableUpload(
            f"{path.name} holds lines of several uploads", hint="replay the lines of one upload at a time"
        )
    request = UploadRequest(path, first.account_id, first.profile, first.time_zone, corrects=first.sha256)
    return load_registered(register_upload(request, ctx), ctx)


@dataclass(frozen=True, slots=True)
class DismissedRejects:
    """Number of rows that were closed, and their days that were reconciled before, reconciled again."""

    rows: int
    reconciled: list[ReconciledDay]


def dismiss_rejects(request: DismissRequest, ctx: RunContext) -> DismissedRejects:
    """Closes open rejected rows by a person's decision; manifests still count them as rejected.

    Their days are reconciled again, because a day with rejected lines is red.

    Raises:
        ConfigurationError: neither an upload nor a day is given, or the person or reason is missing.
        UnreadableUpload: the upload does not exist.
    """
    if not (request.upload or request.business_date):
        raise ConfigurationError("name an upload or a day (--date)", hint="'cdr-pipeline rejects list' shows both")
    if not (request.decided_by.strip() and request.reason.strip()):
        raise ConfigurationError("--by and --reason must not be empty", hint="they are stored with the rows")
    with ctx.ledger() as ledger:
        accounts = [account.account_id for account in ledger.accounts.active(request.accounts)]
        source = None
        if request.upload:
            line = find_upload(ledger, request.upload, accounts[0] if request.accounts else None)
            accounts, source = [line.account_id], line.sha256
        days = {
            account_id: ledger.uploads.dismiss_rejects(
                account_id,
                source=source,
                business_date=request.business_date,
                decided_by=request.decided_by,
                reason=request.reason,
                now=ctx.clock(),
            )
            for account_id in accounts
        }
    reconciled = [
        item
        for account_id, rows in days.items()
        for item in reconcile_again(account_id, {day for day in rows if day}, ctx)
    ]
    return DismissedRejects(sum(map(len, days.values())), reconciled)


def open_rejects_of_day(ctx: RunContext, business_date: date, accounts: Sequence[str] | None = None) -> int:
    """Number of the day's rejected rows that are neither corrected nor dismissed."""
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        rejects = ledger.health.open_rejects(account_ids, business_date=business_date)
    return sum(item.row_count for item in rejects)


def _upload_of(path: Path) -> str:
    """Id of the upload that the lines of a reject file name, read independently of the format."""
    text = read_text(path, ENCODING)
    marks = _MARKED_LINE.findall(text) + _MARKED_DOCUMENT.findall(text)
    if not marks:
        raise UnreadableUpload(
            f"{path.name} is no reject file: its last columns do not name an upload, a line and a reason",
            hint="correct what 'cdr-pipeline rejects export' wrote, and leave the last three columns as they are",
        )
    return str(marks[0])
