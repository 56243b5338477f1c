"""Registers files: copies their bytes to landing and records them by account, sha256 and profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdr_pipeline.core.uploads.series import series_position
from cdr_pipeline.errors import CdrError, InvalidProfile
from cdr_pipeline.sources.landing import LandedFile, land_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.waiting import display_name, sole_taker, taken_away, waiting_files
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
from cdr_pipeline.steps.uploads.upload_parts import require_reader, upload_parts
from cdr_pipeline.warehouse.ledger import Ledger, NewUpload


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A file to register.

    Attributes:
        path: current path; the name is displayed and never used to build a path.
        account_id: account that owns the records.
        profile: name of the import profile.
        time_zone: IANA zone of its local times; the profile's, else the account's, when omitted.
        corrects: for a corrected reject file, id of the upload whose rejected lines it contains.
    """

    path: Path
    account_id: str
    profile: str
    time_zone: str | None = None
    corrects: str | None = None


@dataclass(frozen=True, slots=True)
class RegisteredFile:
    """A file in landing. ``known``: the same bytes were loaded before for the account with the same profile."""

    account_id: str
    profile: str
    file_name: str
    sha256: str
    size: int
    known: bool


@dataclass(frozen=True, slots=True)
class RefusedUpload:
    """A file that stays in the drop folder: path ``{account}/{profile}/{file}``, error code and message."""

    place: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RegisteredFiles:
    """Result for the drop folder: registered files and refused files."""

    files: tuple[RegisteredFile, ...]
    refused: tuple[RefusedUpload, ...]


def register_upload(request: UploadRequest, ctx: RunContext) -> RegisteredFile:
    """Copies one file to landing and registers it. The original stays in its folder.

    Raises:
        UnknownProfile, InvalidProfile: the profile does not exist or is invalid.
        AccountNotFound: the account is not registered.
        UnreadableUpload: it is not a regular file, is too large, or changed during reading.
    """
    profile = load_profile(request.profile, folder=ctx.settings.profile_dir)
    require_reader(profile)
    name = display_name(request.path.name)
    position = series_position(name, profile.control)
    with ctx.ledger() as ledger:
        (account,) = ledger.accounts.active([request.account_id])
        landed = land_upload(request.path, ctx.settings.landing_dir)
        upload_id, loaded = _record_landed(request, account.account_id, landed, ledger, ctx)
        ledger.uploads.record_name(
            account_id=account.account_id,
            sha256=upload_id,
            file_name=name,
            profile=request.profile,
            file_date=position.file_date,
            file_sequence=position.sequence,
            now=ctx.clock(),
        )
    return RegisteredFile(account.account_id, request.profile, name, upload_id, landed.size, loaded)


def _record_landed(
    request: UploadRequest, account_id: str, landed: LandedFile, ledger: Ledger, ctx: RunContext
) -> tuple[str, bool]:
    """Records the landed file. Returns the upload's id and whether it was loaded before."""
    upload_id = ""
    # Another process may register the same bytes with another profile at the same time.
    while upload_id != (current_id := ledger.uploads.upload_id(account_id, landed.sha256, request.profile)):
        upload_id = current_id
        before = ledger.uploads.find(account_id, upload_id)
        if before is not None and before.state == "loaded":
            return upload_id, True
        upload = NewUpload(
            account_id=account_id,
            sha256=upload_id,
            content_sha256=landed.sha256,
            profile=request.profile,
            time_zone=request.time_zone,
            file_name=display_name(request.path.name),
            size=landed.size,
            landing_path=str(landed.path.relative_to(ctx.settings.landing_dir)),
            corrects=request.corrects,
        )
        ledger.uploads.record_landed(upload, now=ctx.clock())
    return upload_id, False


def register_dropped_files(ctx: RunContext, accounts: Sequence[str] | None = None) -> RegisteredFiles:
    """Registers the files in the drop folder and removes them there. A refused file stays and is reported.

    Only one process does this at a time; others wait. Each file is renamed first, so that its sender cannot change it,
    and renamed back if it is refused or has changed meanwhile.
    """
    files: list[RegisteredFile] = []
    refused: dict[str, RefusedUpload] = {}
    settled = ctx.settings.upload_settle_seconds
    with sole_taker(ctx.settings.upload_dir):
        for file in waiting_files(ctx.settings.upload_dir, settle_seconds=settled):
            if accounts is not None and file.account_id not in accounts:
                continue
            try:
                with taken_away(file) as path:
                    request = UploadRequest(path, file.account_id, file.profile)
                    with upload_parts(request, ctx) as parts:
                        files += [register_upload(part, ctx) for part in parts]
            except InvalidProfile:
                continue  # waiting_drops names it below
            except CdrError as error:
                place = display_name(file.place)
                refused[place] = RefusedUpload(place, error.code, error.message)
        with ctx.ledger() as ledger:
            for drop in waiting_drops(ledger, ctx, accounts):
                if drop.state == "refused":
                    refused.setdefault(drop.place, RefusedUpload(drop.place, drop.code, drop.message))
    return RegisteredFiles(tuple(files), tuple(refused[place] for place in sorted(refused)))
