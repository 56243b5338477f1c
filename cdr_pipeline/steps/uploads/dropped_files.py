"""Files in the drop folder that are not registered yet: their state, and the accounts whose days they may change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cdr_pipeline.errors import AccountNotFound, CdrError, InvalidProfile, MisplacedFile, UnreadableUpload
from cdr_pipeline.sources.uploads.waiting import DroppedFile, display_name, dropped_files
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger


@dataclass(frozen=True, slots=True)
class WaitingDrop:
    """A file in the drop folder.

    Attributes:
        place: path below the drop folder.
        account_id: account that owns the file; None where its folder names no registered account, so that it may belong
            to any account.
        state: ``refused``, an operator must fix it; ``arriving``, its sender is still writing it; ``waiting`` for the
            next run.
        code, message: error of a refused file.
        since: time of its last change, UTC.
    """

    place: str
    account_id: str | None
    state: Literal["refused", "arriving", "waiting"]
    code: str
    message: str
    since: datetime


def waiting_drops(ledger: Ledger, ctx: RunContext, accounts: Collection[str] | None = None) -> list[WaitingDrop]:
    """Files in the drop folder that belong to these accounts or to no registered one, ordered by path."""
    registered = {account.account_id for account in ledger.accounts.all()}
    faults: dict[str, CdrError | None] = {}
    drops: list[WaitingDrop] = []
    for file in dropped_files(ctx.settings.upload_dir):
        owner = file.account_id if file.account_id in registered else None
        if accounts is not None and owner is not None and owner not in accounts:
            continue
        error = _fault(file, owner, faults, ctx)
        settled = file.is_settled(ctx.settings.upload_settle_seconds, ctx.clock().timestamp())
        state = "refused" if error else "arriving" if file.unfinished or not settled else "waiting"
        drops.append(
            WaitingDrop(
                display_name(file.place),
                owner,
                state,
                error.code if error else f"file_{state}",
                error.message if error else "",
                datetime.fromtimestamp(file.changed_at, UTC),
            )
        )
    return drops


def accounts_with_drops(accounts: Sequence[str], ledger: Ledger, ctx: RunContext) -> frozenset[str]:
    """Accounts whose days a file in the drop folder may change: its owner, or all if its owner is unknown."""
    owners = {drop.account_id for drop in waiting_drops(ledger, ctx)}
    return frozenset(account for account in accounts if account in owners or None in owners)


def _fault(
    file: DroppedFile, owner: str | None, faults: dict[str, CdrError | None], ctx: RunContext
) -> CdrError | None:
    """The error that keeps a file from being registered; None when there is none."""
    if not file.has_place:
        depth = f"{len(file.folders)} folder(s) deep" if file.folders else "directly in the drop folder"
        return MisplacedFile(f"it is {depth}, not in ACCOUNT/PROFILE/", hint=_hint(ctx))
    if owner is None:
        return AccountNotFound(f"no such account in the warehouse: {display_name(file.account_id)}")
    if file.profile not in faults:
        faults[file.profile] = _profile_fault(file.profile, ctx)
    if faults[file.profile] is not None:
        return faults[file.profile]
    return None if file.regular else UnreadableUpload("it is not a regular file")


def _profile_fault(profile: str, ctx: RunContext) -> CdrError | None:
    from cdr_pipeline.sources.uploads.profiles import load_profile  # noqa: PLC0415 - slow to import

    try:
        load_profile(profile, folder=ctx.settings.profile_dir)
    except InvalidProfile as error:
        return InvalidProfile(f"it waits for its profile; {error.message}", hint=error.hint)
    except CdrError as error:
        return error
    return None


def _hint(ctx: RunContext) -> str:
    return f"move it to {ctx.settings.upload_dir}/ACCOUNT/PROFILE/"
