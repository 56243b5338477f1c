"""Decisions about files: held ones are released, any can be discarded."""

from collections.abc import Sequence

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload, load_registered
from cdr_pipeline.steps.uploads.register_uploads import RegisteredFile
from cdr_pipeline.steps.uploads.rejects import find_upload
from cdr_pipeline.steps.uploads.replay_uploads import withdraw_upload
from cdr_pipeline.warehouse.ledger import UploadLine


def release_upload(upload: str, ctx: RunContext, *, decided_by: str, account_id: str | None = None) -> LoadedUpload:
    """Releases and loads a held file. Records that another file has delivered stay unchanged; the others are merged.

    Raises:
        UnreadableUpload: the upload does not exist or is not held.
    """
    held = _released(upload, ctx, decided_by=decided_by, account_id=account_id)
    registered = RegisteredFile(held.account_id, held.profile, held.file_name, held.sha256, 0, known=False)
    return load_registered(registered, ctx)


def discard_upload(upload: str, ctx: RunContext, *, decided_by: str, account_id: str | None = None) -> UploadLine:
    """Discards a file permanently; records of a loaded file are withdrawn. Its bytes stay in landing.

    Raises:
        UnreadableUpload: the upload does not exist or is discarded already.
        UploadSealed: a sealed day has records of the upload; nothing changed.
    """
    with ctx.ledger() as ledger:
        line = find_upload(ledger, upload, account_id)
        if line.state == "discarded":
            raise UnreadableUpload(
                f"{line.file_name} (upload {line.sha256[:12]}) is discarded already",
                hint="'cdr-pipeline uploads list' shows who discarded it",
            )
        with ledger.transaction():
            # A load of the file that is running ends first; its records are then withdrawn.
            ledger.uploads.lock_out_loads(line.account_id)
            line = find_upload(ledger, line.sha256, line.account_id)
            if line.state != "loaded":
                ledger.uploads.discard(
                    account_id=line.account_id, sha256=line.sha256, decided_by=decided_by, message=None, now=ctx.clock()
                )
                return line
    withdraw_upload(line, ctx, decided_by=decided_by)
    return line


def count_held_uploads(ctx: RunContext, accounts: Sequence[str] | None = None) -> int:
    """Number of files that need a decision."""
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        return len(ledger.uploads.list_all(account_ids, states=("held",)))


def _released(upload: str, ctx: RunContext, *, decided_by: str, account_id: str | None) -> UploadLine:
    with ctx.ledger() as ledger:
        line = find_upload(ledger, upload, account_id)
        released = ledger.uploads.release(
            account_id=line.account_id, sha256=line.sha256, decided_by=decided_by, now=ctx.clock()
        )
    if not released:
        raise UnreadableUpload(
            f"{line.file_name} (upload {line.sha256[:12]}) is {line.state}, not held",
            hint="'cdr-pipeline uploads list' shows held files",
        )
    return line
