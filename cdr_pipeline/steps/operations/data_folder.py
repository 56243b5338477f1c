"""Which data folder a warehouse belongs to: both hold the same id, and a second folder is refused.

Daily files, landed pages and uploads are in the folder, and the ledger in the warehouse knows them by their path. With
another folder the ledger would announce files that are not there.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from cdr_pipeline.errors import ConfigurationError, WarehouseOfAnotherFolder
from cdr_pipeline.exports.atomic import beside, sole_writer
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
    """How a data folder and a warehouse belong together.

    Attributes:
        folder_id: id in the folder; None when it has none.
        warehouse_id: id in the warehouse; None when it has none.
        files: daily files that the ledger knows.
        missing: how many of them are not in the folder.
    """

    folder_id: UUID | None
    warehouse_id: UUID | None
    files: int
    missing: int

    @property
    def linked(self) -> bool:
        """Whether both have the same id."""
        return self.folder_id is not None and self.folder_id == self.warehouse_id


def require_own_folder(settings: Settings, url: str, *, now: datetime) -> None:
    """Passes when the warehouse belongs to the data folder; the first folder that a warehouse meets is linked.

    A warehouse that knows daily files is only linked to a folder that has some of them.

    Raises:
        WarehouseOfAnotherFolder: it belongs to another folder, or knows files of which the folder has none.
    """
    with connect(url) as connection:
        ledger = Ledger(connection)
        folder_id, warehouse_id = read_folder_id(settings.data_dir), ledger.identity.warehouse_id()
        if folder_id is not None and folder_id == warehouse_id:
            return
        with sole_writer(settings.data_dir):
            _meet(settings, ledger, now=now)


def folder_link(settings: Settings, url: str) -> FolderLink:
    """Reads both ids and counts the files; changes nothing."""
    with connect(url) as connection:
        ledger = Ledger(connection)
        files, missing = _count_files(settings.export_dir, ledger)
        return FolderLink(read_folder_id(settings.data_dir), ledger.identity.warehouse_id(), files, missing)


def link_folder(settings: Settings, url: str, *, now: datetime) -> None:
    """Links the warehouse to this data folder under a new id: a folder it belonged to before is refused afterwards."""
    with connect(url) as connection, sole_writer(settings.data_dir):
        fresh = uuid4()
        Ledger(connection).identity.link_folder(fresh, now=now, replace=True)
        _write_folder_id(settings.data_dir, fresh)


def bind_folder(settings: Settings, url: str, *, now: datetime) -> None:
    """Links a warehouse that was restored into this data folder to it: the folder's id counts, else the warehouse's."""
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
        ConfigurationError: the file holds something else.
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


def _meet(settings: Settings, ledger: Ledger, *, now: datetime) -> None:
    """Links folder and warehouse where at least one has no id yet. The caller is the folder's only writer."""
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
    # The file comes first: a process that dies in between has linked nothing yet.
    ledger.identity.link_folder(chosen, now=now)
    if ledger.identity.warehouse_id() != chosen:
        raise WarehouseOfAnotherFolder("another data folder was linked to the warehouse just now", hint=_HINT)


def _count_files(export_dir: Path, ledger: Ledger) -> tuple[int, int]:
    """Daily files that the ledger knows, and how many of them are missing."""
    files = missing = 0
    for path in ledger.identity.export_paths():
        files += 1
        missing += not (export_dir / path).is_file()
    return files, missing


def _write_folder_id(data_dir: Path, warehouse_id: UUID) -> None:
    with beside(data_dir / ID_FILE) as writing:
        writing.write(f"{warehouse_id}\n".encode())
        writing.place()
