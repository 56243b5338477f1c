"""Checks the files of sealed days on disk: all of them by presence and size, and some each night by hash.

Faults are recorded in the ledger, where status pages and alerts read them.
"""

import hashlib
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ExportError, SealedFileDamaged
from cdr_pipeline.exports.daily_file import require_bytes
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import decode_manifest
from cdr_pipeline.exports.sums import read_sums
from cdr_pipeline.steps.days.adopt_files import RECORDS_DIFFER, same_records
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger, SealedFile

# Bytes of sealed files that one night hashes: takes a few seconds, and covers two years of a typical account in a week.
HASHED_A_NIGHT: Final = 2 << 30


class FileFault(StrEnum):
    """Faults of a sealed file."""

    MISSING = "file_missing"
    CHANGED = "file_changed"
    MANIFEST_MISSING = "manifest_missing"
    MANIFEST_CHANGED = "manifest_changed"
    NOT_LISTED = "not_listed"
    RECORDS_DIFFER = RECORDS_DIFFER


@dataclass(frozen=True, slots=True)
class SealedCheck:
    """Result of a check.

    Attributes:
        files: number of sealed files in the ledger, except those in ``lost``.
        hashed: number of files whose hashes were compared.
        faulty: files with a fault, ordered by account and day.
        lost: files recorded as lost, which a newer version replaces.
    """

    files: int
    hashed: int
    faulty: tuple[SealedFile, ...]
    lost: tuple[SealedFile, ...] = ()


def check_sealed_files(ctx: RunContext, *, hash_bytes: int = 0) -> SealedCheck:
    """Checks every sealed file for its presence, size, manifest and line in SHA256SUMS.

    A file recorded as lost that is back with its sealed bytes is a sealed file again.

    Args:
        ctx: settings, warehouse, clock and progress callback.
        hash_bytes: bytes of files to hash in addition, least recently hashed first; at least one file unless it is 0.
    """
    files = hashed = 0
    doubtful: list[SealedFile] = []
    with ctx.ledger() as ledger:
        listed = _ListedSums()
        lost = _still_lost(ledger, ctx)
        with closing(ledger.sealed_files.sealed_files()) as sealed:
            for file in sealed:
                files += 1
                fault = quick_fault(file, ctx.settings.export_dir, listed)
                if fault is None and file.fault is not None:
                    doubtful.append(file)
                elif fault != file.fault:
                    _record_fault(file, fault, ledger, ctx)
        # A fault found by hash or records is not cleared by presence and size.
        for file in doubtful:
            _record_fault(file, thorough_fault(file, ctx.settings.export_dir, ledger), ledger, ctx)
        for file in _longest_unchecked(ledger, hash_bytes):
            hashed += 1
            if quick_fault(file, ctx.settings.export_dir, listed) is None:
                _record_fault(file, thorough_fault(file, ctx.settings.export_dir, ledger), ledger, ctx)
            ledger.sealed_files.record_hashed_file(file, now=ctx.clock())
        return SealedCheck(files, hashed, tuple(ledger.sealed_files.faulty_files()), lost)


def check_day(account_id: str, business_date: object, ctx: RunContext) -> None:
    """Compares the hashes of all sealed files of one account's day."""
    with ctx.ledger() as ledger:
        listed = _ListedSums()
        with closing(ledger.sealed_files.sealed_files()) as sealed:
            mine = [file for file in sealed if (file.account_id, file.business_date) == (account_id, business_date)]
        for file in mine:
            fault = quick_fault(file, ctx.settings.export_dir, listed)
            _record_fault(file, fault or thorough_fault(file, ctx.settings.export_dir, ledger), ledger, ctx)


class _ListedSums:
    """Hashes listed in the SHA256SUMS of a folder. The last folder is cached."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._sums: dict[str, str] = {}

    def of(self, path: Path) -> str | None:
        """Listed hash of a file; None if it is not listed."""
        if path.parent != self._folder:
            self._folder = path.parent
            try:
                self._sums = read_sums(path.parent)
            except ExportError:
                self._sums = {}
        return self._sums.get(path.name)


def quick_fault(file: SealedFile, export_dir: Path, listed: _ListedSums) -> FileFault | None:
    """Fault visible from presence, sizes and SHA256SUMS; None without one."""
    path = export_dir / file.path
    if (size := _size(path)) is None:
        return FileFault.MISSING
    if size != file.size:
        return FileFault.CHANGED
    if (manifest_size := _size(manifest_path(path))) is None:
        return FileFault.MANIFEST_MISSING
    if manifest_size != file.manifest_size:
        return FileFault.MANIFEST_CHANGED
    return None if listed.of(path) == file.sha256 else FileFault.NOT_LISTED


def thorough_fault(file: SealedFile, export_dir: Path, ledger: Ledger) -> FileFault | None:
    """Fault visible from the bytes of file and manifest, and from the records if they differed before."""
    path = export_dir / file.path
    try:
        require_bytes(path, file.sha256)
    except SealedFileDamaged:
        return FileFault.CHANGED if path.is_file() else FileFault.MISSING
    entries = ledger.day_states.files(file.account_id, file.business_date, file.version)
    announced = next((entry.manifest for entry in entries if entry.dialect == file.dialect), None)
    if announced is None:
        return None
    try:
        if manifest_path(path).read_bytes() != announced.encode():
            return FileFault.MANIFEST_CHANGED
    except OSError:
        return FileFault.MANIFEST_MISSING
    if file.fault == FileFault.RECORDS_DIFFER and file.newest:
        record = ledger.days.find(file.account_id, file.business_date)
        same = same_records(file.account_id, file.business_date, decode_manifest(announced), ledger)
        # Late records are handled by a restatement.
        return None if same or record.late_pending else FileFault.RECORDS_DIFFER
    return None


def _still_lost(ledger: Ledger, ctx: RunContext) -> tuple[SealedFile, ...]:
    """Records the lost files that are back; returns the others."""
    missing: list[SealedFile] = []
    for file in ledger.sealed_files.lost_files():
        path = ctx.settings.export_dir / file.path
        if _size(path) == file.size and hash_of(path) == file.sha256:
            ledger.sealed_files.record_found_file(file)
        else:
            missing.append(file)
    return tuple(missing)


def _longest_unchecked(ledger: Ledger, hash_bytes: int) -> list[SealedFile]:
    chosen: list[SealedFile] = []
    with closing(ledger.sealed_files.files_to_hash()) as files:
        for file in files:
            if hash_bytes <= 0:
                break
            chosen.append(file)
            hash_bytes -= file.size
    return chosen


def _record_fault(file: SealedFile, fault: FileFault | None, ledger: Ledger, ctx: RunContext) -> None:
    ledger.sealed_files.record_file_fault(
        file.account_id, file.business_date, file.version, file.dialect, fault, now=ctx.clock()
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def hash_of(path: Path) -> str | None:
    """SHA-256 of a file; None if it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return None
