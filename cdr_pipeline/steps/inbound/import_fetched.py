"""Loads fetched files and writes the daily files of the days that they change."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdr_pipeline.steps.days.export_days import ExportedDay
from cdr_pipeline.steps.inbound.place_results import FileResult, PlaceResult
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.exported_upload import export_account
from cdr_pipeline.steps.uploads.load_uploads import LoadedUploads, load_uploads


@dataclass(frozen=True, slots=True)
class ImportedFiles:
    """Loaded files, and the daily files that were written."""

    loaded: LoadedUploads
    exported: tuple[ExportedDay, ...]


def import_fetched(places: Sequence[PlaceResult], ctx: RunContext) -> ImportedFiles:
    """Loads every registered file of the accounts of fetched files, also those that an earlier call left."""
    accounts = sorted({account for place in places for file in place.files for account in _accounts_of(file)})
    if not accounts:
        return ImportedFiles(LoadedUploads((), ()), ())
    loaded = load_uploads(ctx, accounts)
    changed = sorted({file.account_id for file in loaded.files})
    return ImportedFiles(loaded, tuple(day for account in changed for day in export_account(account, ctx)))


def _accounts_of(file: FileResult) -> tuple[str, ...]:
    return file.account_ids if file.outcome in ("fetched", "known") else ()
