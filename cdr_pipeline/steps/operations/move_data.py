"""Moves the data folder to another folder or into an object store, and compares both.

The embedded warehouse, tokens of the switch and alerts that wait are not part of the data and stay.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ConfigurationError, ProblemsFound
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.exports.atomic import SEALED_MODE
from cdr_pipeline.files import durable
from cdr_pipeline.files.store import StorePath, as_local_file, parse_url, sha256_of, store
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.data_folder import ID_FILE, read_folder_id

# What the data folder's id is renamed to once its data is elsewhere.
MOVED: Final = f"{ID_FILE}.moved"
_STAY: Final = frozenset({"warehouse", "session", "alerts", ID_FILE, MOVED})
_PARALLEL: Final = 8
_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class DataCopy:
    """Comparison of a data folder with its copy.

    Attributes:
        files: number of files in the data folder.
        copied: number of files that were copied by this run.
        wrong: files that are missing in the copy or have other bytes there, relative to the folder.
    """

    files: int
    copied: int
    wrong: tuple[str, ...]

    def require_equal(self) -> None:
        """Raises ProblemsFound if a file is missing or differs."""
        if self.wrong:
            named = ", ".join(self.wrong[:_NAMED])
            raise ProblemsFound(
                f"{len(self.wrong)} of {count_of(self.files, 'file')} missing or different: {named}",
                hint="stop everything that writes, then run 'cdr-pipeline data move' again",
            )


def parse_target(text: str) -> Path:
    """The folder or URL of a store that a person names.

    Raises:
        ConfigurationError: it is a URL of an unknown kind, or contains credentials.
    """
    try:
        return parse_url(text) if "://" in text else Path(text).expanduser().absolute()
    except ValueError as error:
        raise ConfigurationError(f"the target {error}") from None


def move_data(settings: Settings, target: Path) -> DataCopy:
    """Copies every file of the data folder, compares it, and makes the target the data folder of the warehouse.

    The id of the folder is copied last: an unfinished copy is not a data folder. The files in the old folder stay; its
    id is renamed, so that no process goes on writing there. After an interruption, the next call copies only what is
    missing or differs.

    Raises:
        ConfigurationError: the folder has no id or contains the embedded warehouse, or the target is one in use.
        ProblemsFound: files were changed while they were copied; the target is not a data folder yet.
        StoreUnavailable, StoreRefused: the store failed.
    """
    source = settings.data_dir
    _require_movable(settings, target)
    if (target / ID_FILE).is_file():
        # The last call was interrupted after the last file.
        found = compare_data(source, target)
    else:
        found = _compared(source, target, sum(_each(_copied, source, target, _names(source))))
    found.require_equal()
    _copied(source, target, ID_FILE)
    durable.rename(source / ID_FILE, source / MOVED)
    return found


def _require_movable(settings: Settings, target: Path) -> None:
    source = settings.data_dir
    if settings.warehouse_url is None:
        raise ConfigurationError(
            f"{source} also contains the embedded warehouse, which another folder or a store cannot use",
            hint="move the warehouse to a PostgreSQL server first ('cdr-pipeline docs machines'); to keep it, run "
            "'cdr-pipeline warehouse stop' and move the whole folder with mv",
        )
    if not (source / ID_FILE).is_file():
        raise ConfigurationError(
            f"{source} is not the data folder of a warehouse: it has no {ID_FILE}",
            hint=f"set CDR_DATA_DIR to the folder to move; a file {MOVED} in it means that it was moved",
        )
    if source == target or source in target.parents or target in source.parents:
        raise ConfigurationError(f"{target} and {source} must not contain each other")
    if read_folder_id(target) not in (None, read_folder_id(source)):
        raise ConfigurationError(
            f"{target} is the data folder of another warehouse", hint="choose an empty folder or another URL"
        )


def compare_data(source: Path, target: Path) -> DataCopy:
    """Compares every file of a data folder with its copy by content; changes nothing."""
    return _compared(source, target, 0)


def _compared(source: Path, target: Path, copied: int) -> DataCopy:
    names = _names(source)
    equal = _each(_is_equal, source, target, names)
    wrong = tuple(name for name, same in zip(names, equal, strict=True) if not same)
    return DataCopy(len(names), copied, wrong)


def _names(source: Path) -> list[str]:
    """Files of the data folder by name, without those that stay."""
    paths = (item.path for item in source.objects()) if isinstance(source, StorePath) else _local_files(source)
    names = [str(path.relative_to(source)) for path in paths if not path.name.endswith(durable.PART)]
    names = [name for name in names if name.split("/")[0] not in _STAY]
    return sorted(names)


def _local_files(source: Path) -> Iterator[Path]:
    """Every file below a folder, also in folders that are links to another disk."""
    for folder, _, names in os.walk(source, followlinks=True, onerror=_raise):
        yield from (Path(folder) / name for name in names)


def _raise(error: OSError) -> None:
    raise error


def _each(work: Callable[[Path, Path, str], bool], source: Path, target: Path, names: list[str]) -> list[bool]:
    """Result of the work for each file, some of them at once; the names are taken up in their order.

    Raises:
        ConfigurationError: a file cannot be read or written.
    """
    try:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            running = [pool.submit(work, source, target, name) for name in names]
            try:
                return [each.result() for each in running]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or target} cannot be copied: {error.strerror}",
            hint="run the command as the user that owns the data folder, then again",
        ) from None


def _copied(source: Path, target: Path, name: str) -> bool:
    """Copies a file unless the target has the same bytes; whether it was copied."""
    of, to = source / name, target / name
    sealed = durable.is_read_only(of)
    fresh = not _is_equal(source, target, name)
    if fresh:
        with as_local_file(of) as local:
            copy_file(local, to)
    if sealed and not durable.is_read_only(to):
        durable.make_read_only(to, mode=SEALED_MODE)
    return fresh


def copy_file(local: Path, to: Path) -> None:
    """Puts a copy of a local file, with its permissions, into a folder or a store."""
    if isinstance(to, StorePath):
        store(local, to, replace=True)
        return
    durable.make_folder(to.parent, mode=stat.S_IMODE(local.parent.stat().st_mode) | stat.S_IRWXU)
    with durable.new_file(to) as fresh, local.open("rb") as content:
        shutil.copyfileobj(content, fresh.handle)
        fresh.place(mode=stat.S_IMODE(local.stat().st_mode))


def _is_equal(source: Path, target: Path, name: str) -> bool:
    of, to = source / name, target / name
    try:
        return of.stat().st_size == to.stat().st_size and sha256_of(of) == sha256_of(to)
    except FileNotFoundError:
        return False
