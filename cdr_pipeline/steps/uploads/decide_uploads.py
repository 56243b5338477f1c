"""A person's decision about a held file."""

from collections.abc import Sequence

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload, load_taken
from cdr_pipeline.steps.uploads.register_uploads import RegisteredFile
from cdr_pipeline.steps.uploads.rejects import find_upload
from cdr_pipeline.warehouse.ledger import UploadLine


def release_upload(upload: str, ctx: RunContext, *, decided_by: str, account_id: str | None = None) -> LoadedUpload:
    """Loads a held file: what another file delivered before is unchanged, the rest is merged.

    Raises:
        UnreadableUpload: there is no such upload, or it is not held.
    """
    held = _decided(upload, ctx, release=True, decided_by=decided_by, account_id=account_id)
    taken = RegisteredFile(held.account_id, held.profile, held.file_name, held.sha256, 0, known=False)
    return load_taken(taken, ctx)


def discard_upload(upload: str, ctx: RunContext, *, decided_by: str, account_id: str | None = None) -> UploadLine:
    """Sets a held file aside for good; its bytes stay in landing.

    Raises:
        UnreadableUpload: there is no such upload, or it is not held.
    """
    return _decided(upload, ctx, release=False, decided_by=decided_by, account_id=account_id)


def count_held_uploads(ctx: RunContext, accounts: Sequence[str] | None = None) -> int:
    """How many files wait for a decision."""
    with ctx.ledger() as ledger:
        known = [account.account_id for account in ledger.accounts.active(accounts)]
        return len(ledger.uploads.list_all(known, states=("held",)))


def _decided(upload: str, ctx: RunContext, *, release: bool, decided_by: str, account_id: str | None) -> UploadLine:
    with ctx.ledger() as ledger:
        found = find_upload(ledger, upload, account_id)
        decided = ledger.uploads.decide(
            account_id=found.account_id,
            sha256=found.sha256,
            release=release,
            decided_by=decided_by,
            now=ctx.clock(),
        )
    if not decided:
        raise UnreadableUpload(
            f"upload {found.sha256[:12]} is {found.state}, not held", hint="only held files are decided about"
        )
    return found
