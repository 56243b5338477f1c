"""Takes files in: their bytes are copied to landing, and the ledger knows them by account, sha256 and profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdr_pipeline.core.uploads.series import series_position
from cdr_pipeline.errors import CdrError
from cdr_pipeline.sources.landing import LandedFile, land_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.waiting import display_name, sole_taker, taken_away, waiting_files
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
from cdr_pipeline.warehouse.ledger import Ledger


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A file to take in.

    Attributes:
        path: where it is now; its name is shown to people and never used as a path.
        account_id: whose calls it holds.
        profile: name of the import profile.
        time_zone: IANA zone of its local times; the profile's, else the account's, when omitted.
        corrects: sha256 of the upload whose rejected lines it feeds again, if it is a corrected reject file.
    """

    path: Path
    account_id: str
    profile: str
    time_zone: str | None = None
    corrects: str | None = None


@dataclass(frozen=True, slots=True)
class RegisteredFile:
    """A file in landing; ``known`` when the same bytes were loaded before for the account, with the same profile."""

    account_id: str
    profile: str
    file_name: str
    sha256: str
    size: int
    known: bool


@dataclass(frozen=True, slots=True)
class RefusedUpload:
    """A file that stays where it is: ``{account}/{profile}/{file}``, code and message of what is wrong."""

    place: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RegisteredFiles:
    """What became of the files in the drop folder."""

    files: tuple[RegisteredFile, ...]
    refused: tuple[RefusedUpload, ...]


def take_in(request: UploadRequest, ctx: RunContext) -> RegisteredFile:
    """Lands one file. The file itself stays where it is.

    Raises:
        UnknownProfile, InvalidProfile: no usable profile of that name.
        AccountNotFound: the warehouse does not know the account.
        UnreadableUpload: it is no regular file, too large, or changed while it was read.
    """
    profile = load_profile(request.profile, folder=ctx.settings.profile_dir)
    name = display_name(request.path.name)
    place = series_position(name, profile.control)
    with ctx.ledger() as ledger:
        (account,) = ledger.accounts.active([request.account_id])
        landed = land_upload(request.path, ctx.settings.landing_dir)
        upload_id, known = _record_landed(request, account.account_id, landed, ledger, ctx)
        ledger.uploads.record_name(
            account_id=account.account_id,
            sha256=upload_id,
            file_name=name,
            profile=request.profile,
            file_date=place.file_date,
            file_sequence=place.sequence,
            now=ctx.clock(),
        )
    return RegisteredFile(account.account_id, request.profile, name, upload_id, landed.size, known)


def _record_landed(
    request: UploadRequest, account_id: str, landed: LandedFile, ledger: Ledger, ctx: RunContext
) -> tuple[str, bool]:
    """The upload's id, and whether it was loaded before."""
    upload_id = ""
    # Another process may take in the same bytes with another profile at the same time.
    while upload_id != (found := ledger.uploads.upload_id(account_id, landed.sha256, request.profile)):
        upload_id = found
        before = ledger.uploads.find(account_id, upload_id)
        if before is not None and before.state == "loaded":
            return upload_id, True
        ledger.uploads.record_landed(
            account_id=account_id,
            sha256=upload_id,
            content_sha256=landed.sha256,
            profile=request.profile,
            time_zone=request.time_zone,
            file_name=display_name(request.path.name),
            size=landed.size,
            landing_path=str(landed.path.relative_to(ctx.settings.landing_dir)),
            now=ctx.clock(),
            corrects=request.corrects,
        )
    return upload_id, False


def take_in_uploads(ctx: RunContext, accounts: Sequence[str] | None = None) -> RegisteredFiles:
    """Takes in what waits in the drop folder and removes it there; a file that is refused stays and is named.

    One process at a time does so; another one waits for it. A file is first renamed away from its sender, and is put
    back when it is refused or has changed meanwhile.
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
                    files.append(take_in(UploadRequest(path, file.account_id, file.profile), ctx))
            except CdrError as error:
                place = display_name(file.place)
                refused[place] = RefusedUpload(place, error.code, error.message)
        with ctx.ledger() as ledger:
            for drop in waiting_drops(ledger, ctx, accounts):
                if drop.state == "refused":
                    refused.setdefault(drop.place, RefusedUpload(drop.place, drop.code, drop.message))
    return RegisteredFiles(tuple(files), tuple(refused[place] for place in sorted(refused)))
