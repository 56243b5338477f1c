"""Backup of a whole installation into one file: embedded warehouse, data folder, Dagster. Nights can run meanwhile.

The warehouse is dumped first, as of one moment, and the files are copied afterwards. So every file that the dump's
ledger names is in the backup. A file that was replaced or sealed in between is newer than the ledger; a restore adopts
sealed ones, and the next export writes open ones again. Folders of daily files are locked while they are copied, so
that a file and its manifest belong together.

A restore needs empty folders. It checks every file against the list at the end of the backup before it places any.
"""

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from cdr_pipeline import __version__
from cdr_pipeline.errors import BackupError, ConfigurationError
from cdr_pipeline.exports.atomic import sole_writer
from cdr_pipeline.files import durable
from cdr_pipeline.files.store import StorePath
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.restore_warehouse import Restored, restore_warehouse
from cdr_pipeline.steps.run_context import Clock, Progress, silent, utc_now
from cdr_pipeline.warehouse.server.backup import back_up
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

SCHEMA: Final = 1
_LIST: Final = "backup.json"
_DUMP: Final = "warehouse.dump"
# Not copied: the cluster, which is dumped; tokens of the switch; counts of running workers.
_SKIPPED: Final = frozenset({"warehouse", "session", "serve"})
_SQLITE: Final = ".db"
_SQLITE_REST: Final = ("-wal", "-shm", "-journal")
_LOCKS: Final = frozenset({".lock", ".up.lock"})
_CHUNK: Final = 1024**2


@dataclass(frozen=True, slots=True)
class BackedUp:
    """Result of a backup: number of files, their bytes, and whether the warehouse is among them."""

    files: int
    bytes: int
    with_warehouse: bool


def back_up_installation(
    target: Path,
    settings: Settings,
    *,
    warehouse: bool = True,
    clock: Clock = utc_now,
    progress: Progress = silent,
) -> BackedUp:
    """Writes the backup; an existing file is replaced only when the new one is complete. Only its owner may read it.

    Args:
        target: path of the file.
        settings: settings of the installation.
        warehouse: whether to dump the warehouse; false for one on a server, which has tools of its own.
        clock: returns the current time in UTC.
        progress: callback that receives a short text after each piece of work.

    Raises:
        ConfigurationError: the warehouse or the data is not on this machine.
        BackupError: the file cannot be written, or a file cannot be read.
    """
    _require_local(settings, warehouse=warehouse)
    dump = target.with_name(f".{target.name}.dump")
    try:
        if warehouse:
            progress("dumping the warehouse")
            back_up(EmbeddedServer(settings.warehouse_dir), dump)
        with durable.new_file(target) as writing:
            with tarfile.open(fileobj=writing.handle, mode="w", format=tarfile.PAX_FORMAT) as archive:
                listed = _Archive(archive)
                if warehouse:
                    listed.add(dump, _DUMP)
                progress("copying the data folder")
                _add_data(listed, settings.data_dir)
                progress("copying Dagster")
                _add_dagster(listed, settings.dagster_home, target.parent)
                listed.finish(clock())
            writing.place()
    except (OSError, tarfile.TarError, sqlite3.Error) as error:
        raise BackupError(
            f"the backup {target} cannot be written: {_cause(error)}",
            hint="check free disk space and permissions; nothing was replaced",
        ) from None
    finally:
        dump.unlink(missing_ok=True)
    return BackedUp(len(listed.files), sum(item["bytes"] for item in listed.files.values()), warehouse)


def restore_installation(
    source: Path, settings: Settings, *, clock: Clock = utc_now, progress: Progress = silent
) -> Restored | None:
    """Restores a backup into empty folders and starts the warehouse. Older tables are migrated to this version.

    Returns:
        What the ledger adopted from files that are newer than it; None for a backup without a warehouse.

    Raises:
        ConfigurationError: the data folder or DAGSTER_HOME is not empty, or a server holds the warehouse.
        BackupError: the backup is incomplete or damaged; nothing was restored.
        WarehouseError: the warehouse cannot be restored.
    """
    _require_empty(settings)
    staging = settings.data_dir.with_name(f".{settings.data_dir.name}.restoring")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        progress("reading and checking the backup")
        durable.make_folder(staging)
        content = _unpack(source, staging)
        dump = staging / _DUMP
        _require_local(settings, warehouse=dump.exists())
        progress(f"placing {len(content['files'])} files of {content['taken_at']}")
        _place(staging / "dagster", settings.dagster_home)
        _place(staging / "data", settings.data_dir)
        if not dump.exists():
            return None
        return restore_warehouse(dump, settings, discard_newer=True, clock=clock, progress=progress)
    except (OSError, tarfile.TarError) as error:
        raise BackupError(
            f"the backup {source} cannot be restored: {_cause(error)}",
            hint="check that the file is complete and the disk is not full",
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


class _Archive:
    """A backup that is being written, with the list of its files."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, path: Path, name: str) -> None:
        """Adds a file with its permissions and time; one that was deleted meanwhile is left out."""
        with suppress(FileNotFoundError), path.open("rb") as handle:
            info = self._archive.gettarinfo(arcname=name, fileobj=handle)
            self._add(info, handle)

    def add_folder(self, path: Path, name: str) -> None:
        """Adds a folder with its permissions, without its content."""
        self._archive.addfile(self._archive.gettarinfo(path, arcname=name))

    def finish(self, now: datetime) -> None:
        """Adds the list of all files, by which a restore knows a complete backup."""
        content = {"backup_schema": SCHEMA, "version": __version__, "taken_at": now.isoformat(), "files": self.files}
        text = json.dumps(content).encode()
        info = tarfile.TarInfo(_LIST)
        info.size, info.mode = len(text), durable.PRIVATE_FILE
        self._archive.addfile(info, io.BytesIO(text))

    def _add(self, info: tarfile.TarInfo, handle: IO[bytes]) -> None:
        reading = _Hashed(handle)
        self._archive.addfile(info, reading)  # type: ignore[arg-type]
        self.files[info.name] = {"bytes": info.size, "sha256": reading.digest.hexdigest()}


class _Hashed:
    """Hashes what is read from a file."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Bytes of the file, at most ``size``."""
        chunk = self._handle.read(size)
        self.digest.update(chunk)
        return chunk


def _add_data(archive: _Archive, data_dir: Path) -> None:
    """Adds the files of each folder under its lock, if daily files are written there."""
    for folder in _folders(data_dir):
        place = folder.relative_to(data_dir)
        archive.add_folder(folder, f"data/{place}")
        with sole_writer(folder) if place.parts[:1] == ("exports",) else nullcontext():
            for path in sorted(folder.iterdir()):
                if path.is_file() and not path.is_symlink() and not path.name.endswith(durable.PART):
                    archive.add(path, f"data/{path.relative_to(data_dir)}")


def _folders(data_dir: Path) -> Iterator[Path]:
    yield data_dir
    for top in sorted(path for path in data_dir.iterdir() if path.is_dir() and path.name not in _SKIPPED):
        yield top
        yield from sorted(path for path in top.rglob("*") if path.is_dir() and not path.is_symlink())


def _add_dagster(archive: _Archive, home: Path, scratch: Path) -> None:
    """Adds Dagster's files; its SQLite databases as of one moment each."""
    if not home.is_dir():
        return
    for path in sorted((home, *home.rglob("*"))):
        name = f"dagster/{path.relative_to(home)}"
        if path.is_dir():
            archive.add_folder(path, name)
        if not path.is_file() or path.name in _LOCKS or path.name.endswith(_SQLITE_REST):
            continue
        if path.suffix != _SQLITE:
            archive.add(path, name)
            continue
        copy = scratch / f".{path.name}.copy"
        copy.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(path, timeout=60)) as live, closing(sqlite3.connect(copy)) as still:
                live.backup(still)
            archive.add(copy, name)
        finally:
            copy.unlink(missing_ok=True)


def _unpack(source: Path, staging: Path) -> dict[str, Any]:
    """Extracts a backup and compares every file with the list at its end."""
    hashes: dict[str, str] = {}
    folders: list[tuple[Path, int]] = []
    content: dict[str, Any] | None = None
    with tarfile.open(source) as archive:
        for member in archive:
            handle = archive.extractfile(member)
            if handle is not None and member.name == _LIST:
                content = json.loads(handle.read())
                continue
            # The data filter refuses names that lead out of the folder, and changes permissions.
            archive.extract(member, staging, filter="data")
            if member.isdir():
                folders.append((staging / member.name, member.mode))
            elif member.isfile():
                hashes[member.name] = _hash(staging / member.name)
                (staging / member.name).chmod(member.mode)
    for folder, mode in folders:
        folder.chmod(mode)
    if content is None or content.get("backup_schema") != SCHEMA:
        raise BackupError(
            f"{source} is not a complete backup of schema {SCHEMA}", hint="'cdr-pipeline backup FILE' writes one"
        )
    if hashes != {name: item["sha256"] for name, item in content["files"].items()}:
        raise BackupError(f"{source} is damaged: files differ from its list", hint="use another backup")
    return content


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _place(source: Path, target: Path) -> None:
    """Moves a folder to a place that is missing or empty."""
    if not source.is_dir():
        return
    if target.is_dir():
        target.rmdir()
    durable.make_folder(target.parent)
    shutil.move(source, target)
    durable.flush_folder(target.parent)


def _require_empty(settings: Settings) -> None:
    if isinstance(settings.data_dir, StorePath):
        raise ConfigurationError("a backup is restored into a local folder", hint="set CDR_DATA_DIR to a folder")
    for variable, folder in (("CDR_DATA_DIR", settings.data_dir), ("DAGSTER_HOME", settings.dagster_home)):
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigurationError(
                f"{variable} {folder} is not empty; nothing was restored",
                hint=f"move it away, or set {variable} to an empty folder",
            )


def _require_local(settings: Settings, *, warehouse: bool) -> None:
    if isinstance(settings.data_dir, StorePath):
        raise ConfigurationError(
            "the data folder is in an object store", hint="use the versions or the replication of the store"
        )
    if warehouse and settings.warehouse_url is not None:
        raise ConfigurationError(
            "CDR_WAREHOUSE_URL names a server of your own",
            hint="dump it with its own tools first, then back up the rest: add --without-warehouse",
        )
    if not warehouse and settings.warehouse_url is None:
        raise ConfigurationError("the backup must contain the embedded warehouse", hint="leave out --without-warehouse")


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
