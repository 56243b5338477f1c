"""Restores the embedded warehouse from a backup. Lists newer data first and adopts final files on disk afterwards."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import NewerThanBackup, WarehouseError
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.adopt_files import AdoptedDay, adopt_files
from cdr_pipeline.steps.operations.data_folder import ID_FILE, bind_folder, read_folder_id
from cdr_pipeline.steps.run_context import Clock, Progress, RunContext, silent, utc_now
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.backup import NewerItems, activate_restored, discard, items_newer_than, unpack
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import current, upgrade

_UNREADABLE: Final = "present warehouse"
_ON_DISK: Final = "final day on disk"
_FOLDER: Final = "data folder"


@dataclass(frozen=True, slots=True)
class Restored:
    """Result of a restore.

    Attributes:
        newer: what the backup lacks, by kind; the database ``cdr_before_restore`` still has it.
        adopted: days whose final files were recorded in the ledger, and days for which that failed.
    """

    newer: tuple[NewerItems, ...]
    adopted: tuple[AdoptedDay, ...]


class RestoreRefused(NewerThanBackup):
    """``NewerThanBackup`` with the list of what is newer."""

    def __init__(self, message: str, *, newer: tuple[NewerItems, ...], hint: str) -> None:
        super().__init__(message, hint=hint)
        self.newer = newer


def restore_warehouse(
    source: Path,
    settings: Settings,
    *,
    discard_newer: bool = False,
    clock: Clock = utc_now,
    progress: Progress = silent,
) -> Restored:
    """Replaces the embedded warehouse with a backup.

    Args:
        source: file that ``back_up`` wrote.
        settings: settings of the data folder whose warehouse is replaced.
        discard_newer: whether to go on although the warehouse or the folder holds what the backup lacks.
        clock: function that returns the current time in UTC.
        progress: callback that receives a short text after each piece of work.

    Raises:
        RestoreRefused: something is newer than the backup and ``discard_newer`` is false; nothing was changed.
        WarehouseError: the file is no whole backup, or was made by a later server or version.
    """
    server = EmbeddedServer(settings.warehouse_dir)
    backup = unpack(server, source)
    try:
        upgrade(backup)
        progress("looking for what is newer than the backup")
        ctx = RunContext(settings, backup, clock, progress)
        newer = (*_newer(server, backup), *_on_disk(ctx), *_of_another_folder(settings, backup))
        if not discard_newer:
            _require_nothing_newer(newer)
        activate_restored(server)
    except BaseException:
        discard(server)
        raise
    bind_folder(settings, server.url, now=clock())
    adopted = tuple(adopt_files(replace(ctx, url=server.url)))
    return Restored(newer, adopted)


def _require_nothing_newer(newer: tuple[NewerItems, ...]) -> None:
    if newer:
        raise RestoreRefused(
            f"{count_of(sum(item.count for item in newer), 'thing is', 'things are')} newer than the backup; "
            "nothing was restored",
            newer=newer,
            hint="make a backup of the present warehouse, then repeat the command with --discard-newer",
        )


def _newer(server: EmbeddedServer, backup: str) -> list[NewerItems]:
    """What the present warehouse knows and the backup does not; a present one that cannot be read is named."""
    try:
        if current(server.url) is None:
            return []
        upgrade(server.url)
        return items_newer_than(server.url, backup)
    except WarehouseError as error:
        return [NewerItems(_UNREADABLE, 1, [f"it cannot be read, and what is newer is unknown: {error.message}"])]


def _on_disk(ctx: RunContext) -> list[NewerItems]:
    """Final files in the data folder whose days are not final in the backup."""
    days = adopt_files(ctx, dry_run=True)
    named = [f"{day.account_id} {day.business_date} version {day.version} {day.state}" for day in days]
    return [NewerItems(_ON_DISK, len(named), named)] if named else []


def _of_another_folder(settings: Settings, backup: str) -> list[NewerItems]:
    """An entry when the backup belongs to the warehouse of another data folder."""
    with connect(backup) as connection:
        theirs = Ledger(connection).identity.warehouse_id()
    mine = read_folder_id(settings.data_dir)
    if mine is None or theirs is None or mine == theirs:
        return []
    return [NewerItems(_FOLDER, 1, [f"the backup is of another data folder's warehouse: {ID_FILE} here is {mine}"])]
