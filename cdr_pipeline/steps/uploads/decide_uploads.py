"""Decisions about held files: release or discard."""

from collections.abc import Sequence

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload, load_registered
from cdr_pipeline.steps.uploads.register_uploads import RegisteredFile
from cdr_pipeline.steps.uploads.rejects import find_upload
from cdr_pipeline.warehouse.ledger import UploadLine


def release_upload(upload: str, ctx: RunContext, *, decided_by: str, account_id: str | None = None) -> LoadedUpload:
    """Releases and loads a held file. Records that another file has delivered stay unchanged; the others are merged.

    Raises:
        UnreadableUpload: the upload does not exist or is not held.
    """
    held = _decided(upload, ctx, release=True, decided_by=decided_by, account_id=account_id)
    registered = RegisteredFile(held.account_id, held.profile, held.file_name, held.sha256, 0, known=False)
    return load_registered(registered, ctx)


def discard_upload(upload: str, ctx: RunContext, *, decided_by: str, account_id: str | None = None) -> UploadLine:
    """Discards a held file permanently. Its bytes stay in landing.

    Raises:
        UnreadableUpload: the upload does not exist or is not held.
    """
    return _decided(upload, ctx, release=False, decided_by=decided_by, account_id=account_id)


def count_held_uploads(ctx: RunContext, accounts: Sequence[str] | None = None) -> int:
    """Number of files that need a decision."""
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        return len(ledger.uploads.list_all(account_ids, states=("held",)))


def _decided(upload: str, ctx: RunContext, *, release: bool, decided_by: str, account_id: str | None) -> UploadLine:
    with ctx.ledger() as ledger:
        line = find_upload(ledger, upload, account_id)
        decided = ledger.uploads.decide(
            account_id=line.account_id,
            sha256=line.sha256,
            release=release,
            decided_by=decided_by,
            now=ctx.clock(),
        )
    if not decided:
        raise UnreadableUpload(
            f"upload {line.sha256[:12]} is {line.state}, not held", hint="'cdr-pipeline uploads list' shows held files"
        )
    return line
