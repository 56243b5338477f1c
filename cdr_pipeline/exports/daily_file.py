"""Writes the exact file of one account's day and announces it; leaves both alone when nothing would change."""

import hashlib
import stat
from collections.abc import Callable, Iterable
from dataclasses import InitVar, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal

from cdr_pipeline import __version__
from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.errors import ExportError, SealedFileDamaged, SealedFileExists
from cdr_pipeline.exports.atomic import SEALED_MODE, Writing, beside, make_read_only, remove, sole_writer
from cdr_pipeline.exports.compression import Compression, Compressor, packer
from cdr_pipeline.exports.dialects import (
    MANIFEST_SUFFIX,
    ExportDialect,
    day_of_name,
    file_name,
    manifest_path,
    month_folder,
)
from cdr_pipeline.exports.exact_csv import header
from cdr_pipeline.exports.manifest import SCHEMA, Manifest, encode_manifest, read_manifest, utc_text
from cdr_pipeline.exports.sums import add_sum
from cdr_pipeline.exports.totals import ManifestTotals

_REPAIR: Final = "'cdr-pipeline days repair' gets it from a delivery target or the warehouse, or says what to do"
_ANY_WRITE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class DailyFile:
    """Which file to write, and what its manifest says beyond its rows.

    Attributes:
        account_id, business_date, version: make the name.
        time_zone: the account's on that day; gives the day its bounds.
        watermark_utc: save time up to which the day was collected, None while it is incomplete.
        rejected_rows, corrected_rows: of the day's windows.
        run_id: the run that writes it.
        created_utc: now.
        state: of the day once the file is announced.
        supersedes: sha256 of the exact file of the version before.
        next_time_zone: of the next day, where it is another one.
        reconciliation: what the day's reconciliation came to.
        compression: how CSV files are packed.
    """

    account_id: str
    business_date: date
    version: int
    time_zone: str
    watermark_utc: datetime | None
    rejected_rows: int
    run_id: str | None
    created_utc: datetime
    corrected_rows: int = 0
    state: Literal["open", "sealed", "restated"] = "open"
    supersedes: str | None = None
    next_time_zone: str | None = None
    reconciliation: dict[str, str | int] = field(default_factory=lambda: {"status": "none"})
    compression: Compression = "none"

    def path(self, export_dir: Path, dialect: ExportDialect = ExportDialect.EXACT) -> Path:
        """``{account_id}/{yyyy}/{mm}/cdrs_{account_id}_{date}_v{n}.csv``.

        Raises:
            ExportError: the account id could leave its folder.
        """
        name = file_name(self.account_id, self.business_date.isoformat(), self.version, dialect, self.compression)
        return month_folder(export_dir, self.account_id, self.business_date) / name


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A daily file on disk; ``changed`` when this call wrote a byte of it or of its manifest."""

    path: Path
    manifest: Manifest
    changed: bool

    @property
    def sha256(self) -> str:
        """Of the file."""
        return self.manifest.sha256

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.manifest.bytes

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return self.manifest.rows


@dataclass(slots=True)
class Content:
    """Lines on their way into a file: hashed as they are, packed as they go."""

    writing: Writing
    compression: InitVar[Compression]
    _packer: Compressor = field(init=False)
    _digest: Any = field(init=False)

    def __post_init__(self, compression: Compression) -> None:
        self._packer = packer(compression)
        # What is not packed is hashed once, as it is written.
        self._digest = self.writing.digest if compression == "none" else hashlib.sha256()

    def write(self, lines: bytes) -> None:
        """Appends lines."""
        if self._digest is not self.writing.digest:
            self._digest.update(lines)
        if packed := self._packer.compress(lines):
            self.writing.write(packed)

    def finish(self) -> str:
        """Writes what the packer still holds; the hash of all lines."""
        if rest := self._packer.flush():
            self.writing.write(rest)
        return str(self._digest.hexdigest())


def write_daily_file(
    contents: Iterable[bytes], *, day: DailyFile, export_dir: Path, announce: bool = True
) -> WrittenFile:
    """Writes the exact file and its manifest; an empty day is a header and a manifest.

    At no moment does a manifest describe another file than the one beside it: a changed file's old manifest goes
    first, the new one comes last, and a second writer waits until the first is done. Memory is that of one chunk.

    Args:
        contents: lines of the day in the order ``started_at, origin, record_id``, as the exact dialect writes them.
        day: which.
        export_dir: root of all exports.
        announce: whether the manifest is written too; without it nobody takes the file for one.

    Raises:
        ExportError: it cannot be written, or the records are out of order.
    """

    def produce(writing: Writing) -> Manifest:
        content, control = Content(writing, day.compression), ManifestTotals(names(exported_only=True))
        content.write(header())
        for lines in contents:
            control.add_lines(lines)
            content.write(lines)
        digest = content.finish()
        return replace(
            manifest_of(day, ExportDialect.EXACT, writing, digest), rows=control.rows, totals=control.totals.as_json()
        )

    return write_file(day.path(export_dir), produce, day=day, announce=announce)


def write_file(
    path: Path, produce: Callable[[Writing], Manifest], *, day: DailyFile, announce: bool = True
) -> WrittenFile:
    """Writes any file of a day by the same order of steps.

    Args:
        path: where it goes.
        produce: writes it and says what its manifest is.
        day: which day and version the file shows.
        announce: whether the manifest is written too.

    Raises:
        SealedFileExists: a final file of this version, or of a later one, is on disk.
        ExportError: it cannot be written.
    """
    with sole_writer(path.parent), beside(path) as writing:
        _require_not_final(path, day)
        manifest = produce(writing)
        if announce and _on_disk(path, manifest):
            return WrittenFile(path, read_manifest(manifest_path(path)), changed=False)
        remove(manifest_path(path))
        writing.place()
        if announce:
            _announce(path, manifest.sha256, encode_manifest(manifest), sealed=False)
    return WrittenFile(path, manifest, changed=True)


def publish(path: Path, sha256: str, manifest: bytes) -> bool:
    """Announces a sealed file: its bytes are compared once more, nobody may write to it, its manifest comes last.

    Args:
        path: the file.
        sha256: what was sealed.
        manifest: what is announced, as the ledger keeps it.

    Returns:
        Whether it was not announced so before.

    Raises:
        SealedFileExists: a manifest on disk announces another final file of that name.
        ExportError: the file is missing or has other bytes, or the manifest cannot be written.
    """
    with sole_writer(path.parent):
        require_bytes(path, sha256)
        try:
            if manifest_path(path).read_bytes() == manifest:
                make_read_only(path)
                add_sum(path, sha256)
                return False
        except FileNotFoundError:
            pass
        else:
            if is_final(manifest_path(path)):
                raise _kept(path.name)
        make_read_only(path)
        _announce(path, sha256, manifest, sealed=True)
    return True


def is_final(path: Path) -> bool:
    """Whether a manifest announces a file that never changes: it says so, or it is read-only and cannot be read."""
    try:
        return read_manifest(path).state != "open"
    except ExportError:
        return _read_only(path)


def final_manifests(folder: Path, account_id: str, business_date: date) -> dict[int, list[Path]]:
    """Manifests of a day's final files on disk, by version."""
    found: dict[int, list[Path]] = {}
    for path in folder.glob(f"cdrs_{account_id}_{business_date}_v*{MANIFEST_SUFFIX}"):
        named = day_of_name(path.name)
        if named is not None and named[:2] == (account_id, business_date) and is_final(path):
            found.setdefault(named[2], []).append(path)
    return found


def _require_not_final(path: Path, day: DailyFile) -> None:
    """Refuses to write a version of a day that is final on disk, whatever the ledger says.

    A file that is read-only and has lost its manifest counts as final: files become read-only when they are sealed.
    """
    final = final_manifests(path.parent, day.account_id, day.business_date)
    for version in sorted(final, reverse=True):
        if version >= day.version:
            raise _kept(final[version][0].name.removesuffix(MANIFEST_SUFFIX))
    if _read_only(path):
        raise _kept(path.name)


def _kept(name: str) -> SealedFileExists:
    return SealedFileExists(
        f"{name} is final on disk and differs from what the ledger knows of the day; nothing was written; "
        "run 'cdr-pipeline days adopt'",
        hint="'cdr-pipeline days adopt' enters final files into the ledger; later records are then restated",
    )


def _read_only(path: Path) -> bool:
    try:
        return not path.stat().st_mode & _ANY_WRITE
    except OSError:
        return False


def require_bytes(path: Path, sha256: str) -> None:
    """Refuses a file that is not the one that was sealed.

    Raises:
        SealedFileDamaged: it is missing, unreadable or has other bytes.
    """
    try:
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise SealedFileDamaged(
            f"{path.name} was sealed and cannot be read: {error.strerror}; run 'cdr-pipeline days repair'", hint=_REPAIR
        ) from None
    if found != sha256:
        raise SealedFileDamaged(
            f"{path.name} was sealed with other bytes than it has now; run 'cdr-pipeline days repair'", hint=_REPAIR
        )


def sealed_manifest(path: Path) -> Manifest:
    """The manifest of a sealed file.

    Raises:
        SealedFileDamaged: it is missing or damaged.
    """
    try:
        return read_manifest(manifest_path(path))
    except ExportError as error:
        raise SealedFileDamaged(f"{error.message}; run 'cdr-pipeline days repair'", hint=_REPAIR) from None


def manifest_of(day: DailyFile, dialect: ExportDialect, writing: Writing, content_sha256: str) -> Manifest:
    """What a manifest says of any file of the day; rows and totals are for the caller to fill in."""
    first, _ = day_bounds(day.business_date, day.time_zone)
    _, end = day_bounds(day.business_date, day.next_time_zone or day.time_zone)
    return Manifest(
        manifest_schema=SCHEMA,
        file=writing.target.name,
        sha256=writing.sha256,
        bytes=writing.size,
        rows=0,
        content_sha256=content_sha256,
        columns=list(names(exported_only=True)),
        dialect=dialect.value,
        compression=day.compression if dialect.is_text else "none",
        rule=None,
        account_id=day.account_id,
        business_date=day.business_date.isoformat(),
        time_zone=day.time_zone,
        next_time_zone=day.next_time_zone,
        window_start_utc=utc_text(first),
        window_end_utc=utc_text(end),
        watermark_utc=utc_text(day.watermark_utc) if day.watermark_utc else None,
        version=day.version,
        state=day.state,
        supersedes=day.supersedes,
        totals={},
        rejected_rows=day.rejected_rows,
        corrected_rows=day.corrected_rows,
        late_rows=0,
        reconciliation=day.reconciliation,
        producer={"name": "cdr_pipeline", "version": __version__, "run_id": day.run_id},
        created_utc=utc_text(day.created_utc),
    )


def _announce(path: Path, sha256: str, manifest: bytes, *, sealed: bool) -> None:
    add_sum(path, sha256)
    with beside(manifest_path(path)) as note:
        note.write(manifest)
        note.place(mode=SEALED_MODE if sealed else None)


def _on_disk(path: Path, manifest: Manifest) -> bool:
    """Whether the same file with a manifest that says the same is there already, to the byte."""
    try:
        if not manifest.equal_content(read_manifest(manifest_path(path))):
            return False
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest() == manifest.sha256
    except (OSError, ExportError):
        return False
