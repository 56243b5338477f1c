"""Links a warehouse to its data folder by an id that both store, and rejects any other folder.

The folder contains daily files, landed pages and uploads. The ledger in the warehouse stores their paths, so with
another folder it would list files that do not exist.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from cdr_pipeline.errors import ConfigurationError, WarehouseOfAnotherFolder
from cdr_pipeline.exports.atomic import new_file, sole_writer
from cdr_pipeline.files.store import StorePath, check_store
from cdr_pipeline.settings import Settings
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.engine import connect

ID_FILE: Final = "warehouse_id"
_HINT: Final = (
    "set CDR_DATA_DIR to the folder that belongs to the warehouse; to use this folder from now on, "
    "'cdr-pipeline warehouse link --replace'"
)


@dataclass(frozen=True, slots=True)
class FolderLink:
    """Link between a data folder and a warehouse.

    Attributes:
        folder_id: id in the folder; None without one.
        warehouse_id: id in the warehouse; None without one.
        files: number of daily files in the ledger.
        missing: number of these files that are not in the folder.
    """

    folder_id: UUID | None
    warehouse_id: UUID | None
    files: int
    missing: int

    @property
    def linked(self) -> bool:
        """Whether both have the same id."""
        return self.folder_id is not None and self.folder_id == self.warehouse_id


def check_place(settings: Settings) -> str:
    """Writes, lists, reads and deletes a small file in the object store of the data; does nothing for a folder.

    Returns:
        What was tried, as a sentence; "" for a folder.

    Raises:
        StoreRefused: bucket, credentials or rights are wrong.
        StoreUnavailable: the store cannot be reached.
    """
    if not isinstance(settings.data_dir, StorePath):
        return ""
    check_store(settings.data_dir)
    return f"{settings.data_dir}: a file was written, listed, read and deleted"


def require_own_folder(settings: Settings, url: str, *, now: datetime) -> None:
    """Checks that the warehouse belongs to the data folder. Links them if the warehouse has no folder yet.

    A warehouse with daily files in its ledger is linked only to a folder that contains some of them.

    Raises:
        WarehouseOfAnotherFolder: it belongs to another folder, or the folder has none of the files in its ledger.
    """
    with connect(url) as connection:
        ledger = Ledger(connection)
        folder_id, warehouse_id = read_folder_id(settings.data_dir), ledger.identity.warehouse_id()
        if folder_id is not None and folder_id == warehouse_id:
            return
        with sole_writer(settings.data_dir):
            _link_first_folder(settings, ledger, now=now)


def folder_link(settings: Settings, url: str) -> FolderLink:
    """Reads both ids and counts the files; changes nothing."""
    with connect(url) as connection:
        ledger = Ledger(connection)
        files, missing = _count_files(settings.export_dir, ledger)
        return FolderLink(read_folder_id(settings.data_dir), ledger.identity.warehouse_id(), files, missing)


def link_folder(settings: Settings, url: str, *, now: datetime) -> None:
    """Links the warehouse to this data folder under a new id. Its previous folder is rejected from then on."""
    with connect(url) as connection, sole_writer(settings.data_dir):
        fresh = uuid4()
        Ledger(connection).identity.link_folder(fresh, now=now, replace=True)
        _write_folder_id(settings.data_dir, fresh)


def bind_folder(settings: Settings, url: str, *, now: datetime) -> None:
    """Links a restored warehouse to this data folder, by the id of the folder, else by that of the warehouse."""
    with connect(url) as connection, sole_writer(settings.data_dir):
        ledger = Ledger(connection)
        folder_id = read_folder_id(settings.data_dir)
        chosen = folder_id or ledger.identity.warehouse_id() or uuid4()
        if folder_id is None:
            _write_folder_id(settings.data_dir, chosen)
        ledger.identity.link_folder(chosen, now=now, replace=True)


def read_folder_id(data_dir: Path) -> UUID | None:
    """The id in a data folder.

    Raises:
        ConfigurationError: the file does not contain an id.
    """
    path = data_dir / ID_FILE
    try:
        return UUID(path.read_text("utf-8").strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise ConfigurationError(
            f"{path} does not hold the id of a warehouse",
            hint="'cdr-pipeline warehouse link --replace' writes a new one into the folder and the warehouse",
        ) from None


def _link_first_folder(settings: Settings, ledger: Ledger, *, now: datetime) -> None:
    """Links folder and warehouse if at least one has no id yet. The caller must be the folder's only writer."""
    folder_id, warehouse_id = read_folder_id(settings.data_dir), ledger.identity.warehouse_id()
    embedded = settings.warehouse_url is None
    if folder_id is not None and folder_id == warehouse_id:
        return
    files, missing = _count_files(settings.export_dir, ledger)
    if warehouse_id is not None and (folder_id is not None or not embedded):
        raise WarehouseOfAnotherFolder(
            f"the warehouse belongs to another data folder than {settings.data_dir}; "
            f"{missing} of the {files} daily files that it knows are not here",
            hint=_HINT,
        )
    if files and missing == files:
        raise WarehouseOfAnotherFolder(
            f"none of the {files} daily files that the warehouse knows is in {settings.data_dir}", hint=_HINT
        )
    chosen = folder_id or warehouse_id or uuid4()
    if folder_id is None:
        _write_folder_id(settings.data_dir, chosen)
    # The file is written first, so that a process killed in between has not linked anything.
    ledger.identity.link_folder(chosen, now=now)
    if ledger.identity.warehouse_id() != chosen:
        raise WarehouseOfAnotherFolder("another data folder was linked to the warehouse just now", hint=_HINT)


def _count_files(export_dir: Path, ledger: Ledger) -> tuple[int, int]:
    """Number of daily files in the ledger, and number of those that are missing on disk."""
    files = missing = 0
    for path in ledger.identity.export_paths():
        files += 1
        missing += not (export_dir / path).is_file()
    return files, missing


def _write_folder_id(data_dir: Path, warehouse_id: UUID) -> None:
    with new_file(data_dir / ID_FILE) as writing:
        writing.write(f"{warehouse_id}\n".encode())
        writing.place()
