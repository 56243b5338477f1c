"""Downloads one file of a place and registers it for its accounts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from cdr_pipeline.core.uploads.inbound_files import PlannedFile, RemoteFile, StatedContent, stated_content
from cdr_pipeline.errors import AccountNotFound, InboundFileRefused, UnreadableUpload
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.inbound.connection import PlaceConnection
from cdr_pipeline.sources.inbound.download import DownloadedFile, download, read_manifest
from cdr_pipeline.sources.inbound.opening import as_inbound_error
from cdr_pipeline.sources.inbound.places import COLUMN, FileRule, Place
from cdr_pipeline.sources.uploads.file_parts import FilePart, split_file
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.waiting import display_name
from cdr_pipeline.steps.inbound.place_results import FileResult
from cdr_pipeline.steps.inbound.place_visit import PlaceVisit
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, register_upload
from cdr_pipeline.steps.uploads.upload_parts import require_readers
from cdr_pipeline.warehouse.inbound.inbound_files import FetchedFile
from cdr_pipeline.warehouse.ledger import Ledger

_PROGRESS_BYTES: Final = 32 << 20


def download_and_register(
    item: PlannedFile,
    result: FileResult,
    rule: FileRule,
    *,
    visit: PlaceVisit,
    connection: PlaceConnection,
    ledger: Ledger,
) -> FileResult:
    """Downloads a file, registers it for its accounts, and records it."""
    place, file, ctx = visit.place, item.file, visit.ctx
    with as_inbound_error(place):
        stated = _stated(file, place, connection)
        arrived = download(
            connection, place, file, parts_folder(ctx), stated=stated, progress=_progress(place, file, ctx)
        )
    try:
        parts = _parts(arrived, result, rule, visit)
        uploads = [
            register_upload(UploadRequest(part.path, part.account_id, part.profile, rule.time_zone), ctx)
            for part in parts
        ]
    finally:
        arrived.discard()
    # In the order of the uploads: an account with rows of several profiles has several.
    accounts = [upload.account_id for upload in uploads]
    fetched = FetchedFile(
        accounts, [upload.sha256 for upload in uploads], result.profile, result.file_date, arrived.sha256
    )
    ledger.inbound.record_fetched(place.name, file, fetched, now=ctx.clock())
    ctx.progress(f"fetched {display_name(file.name)} from {place.name}")
    return replace(
        result,
        outcome="fetched",
        account_ids=tuple(dict.fromkeys(accounts)),
        size=arrived.size,
        uploads=tuple(uploads),
        resumed=arrived.resumed,
    )


def _parts(arrived: DownloadedFile, result: FileResult, rule: FileRule, visit: PlaceVisit) -> list[FilePart]:
    """The file, or one part for each account and profile that its columns name."""
    profile = load_profile(result.profile, folder=visit.ctx.settings.profile_dir)
    by_account = rule.account == COLUMN
    account = "" if by_account else result.account_ids[0]
    if not by_account and not profile.profile_column:
        return [FilePart(account, result.profile, arrived.path)]
    require_readers(profile, visit.ctx.settings.profile_dir)
    try:
        found = split_file(arrived.path, profile, arrived.path.parent, by_account=by_account)
    except UnreadableUpload as error:
        raise InboundFileRefused(error.message, hint=error.hint) from None
    parts = [replace(part, account_id=part.account_id or account) for part in found]
    unknown = sorted({part.account_id for part in parts} - visit.registered)
    if unknown:
        raise AccountNotFound(
            f"place {visit.place.name}: {result.path} has records of {count_of(len(unknown), 'account')} not "
            "registered or not active",
            hint=f"register them, or correct [account_names] of the profile {profile.name}",
        )
    if not parts and profile.profile_column:
        # A file without records is an upload of the first profile, so that it is accounted for.
        return [FilePart(account, next(iter(profile.profile_names.values())), arrived.path)] if account else []
    return parts


def _stated(file: RemoteFile, place: Place, connection: PlaceConnection) -> StatedContent | None:
    """What the manifest of a file states; None without manifests."""
    if place.whole_rule.how != "manifest":
        return None
    path = place.whole_rule.companion_of(file.path)
    stated = stated_content(read_manifest(connection, place, path), file.name)
    if stated is None:
        raise InboundFileRefused(
            f"place {place.name}: the manifest does not name {display_name(file.name)}",
            hint="ask the carrier, or correct manifest in inbound.toml",
        )
    return stated


def _progress(place: Place, file: RemoteFile, ctx: RunContext) -> Callable[[int], None]:
    """Reports the bytes of a large file now and then."""
    shown, name = 0, display_name(file.name)

    def report(received: int) -> None:
        nonlocal shown
        if received - shown >= _PROGRESS_BYTES:
            shown = received
            total = f" of {file.size / 1e6:.0f}" if file.size else ""
            ctx.progress(f"{place.name}: {name}, {received / 1e6:.0f}{total} MB")

    return report


def parts_folder(ctx: RunContext) -> Path:
    """Folder of files that are being downloaded."""
    return ctx.settings.local_dir / "inbound"
