"""Writes the exact file of an account's day and its manifest; changes neither if their content is the same."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal, Protocol

from cdr_pipeline import __version__
from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.errors import ExportError, SealedFileDamaged, SealedFileExists
from cdr_pipeline.exports.atomic import SEALED_MODE, AtomicFile, make_read_only, new_file, remove, sole_writer
from cdr_pipeline.exports.compression import Compression
from cdr_pipeline.exports.content import Content
from cdr_pipeline.exports.dialects.registry import EXACT, dialect_named
from cdr_pipeline.exports.exact_csv import header
from cdr_pipeline.exports.file_names import MANIFEST_SUFFIX, day_of_name, file_name, manifest_path, month_folder
from cdr_pipeline.exports.manifest import SCHEMA, Manifest, encode_manifest, read_manifest, utc_text
from cdr_pipeline.exports.sums import add_sum
from cdr_pipeline.exports.totals import ManifestTotals
from cdr_pipeline.files.durable import is_read_only
from cdr_pipeline.files.store import StorePath

_REPAIR: Final = "cdr-pipeline days repair"


@dataclass(frozen=True, slots=True)
class DailyFile:
    """Day and version of a file, and the values of its manifest that do not follow from its rows.

    Attributes:
        account_id, business_date, version: account, day and version; parts of the file name.
        time_zone: time zone of the account on that day; determines the bounds of the day.
        watermark_utc: save time up to which the day was collected; None while it is incomplete.
        rejected_rows, corrected_rows: numbers of rows of the day's windows.
        run_id: run that writes the file.
        created_utc: current time.
        state: state of the day after the file is announced.
        supersedes: sha256 of the exact file of the previous version.
        next_time_zone: time zone of the next day, if it differs.
        reconciliation: status and results of the day's reconciliation.
        compression: compression of CSV files.
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

    def path(self, export_dir: Path, dialect: str = EXACT) -> Path:
        """``{account_id}/{yyyy}/{mm}/cdrs_{account_id}_{date}_v{n}.csv``.

        Raises:
            ExportError: the account id could leave its folder.
        """
        name = file_name(self.account_id, self.business_date.isoformat(), self.version, dialect, self.compression)
        return month_folder(export_dir, self.account_id, self.business_date) / name


class DescribedFile(Protocol):
    """What a manifest says about the file itself."""

    @property
    def target(self) -> Path:
        """Path of the file."""
        ...

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, as hex digits."""
        ...

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        ...


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A daily file on disk; ``changed`` is true if this call wrote the file or its manifest."""

    path: Path
    manifest: Manifest
    changed: bool

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, as hex digits."""
        return self.manifest.sha256

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self.manifest.bytes

    @property
    def rows(self) -> int:
        """Number of rows of the file."""
        return self.manifest.rows


def write_daily_file(
    contents: Iterable[bytes], *, day: DailyFile, export_dir: Path, announce: bool = True
) -> WrittenFile:
    """Writes the exact file and its manifest; an empty day is a header and a manifest.

    A manifest on disk always describes the file in its folder: the old manifest is removed before a changed file is
    placed, the new one is written last, and a second writer waits for the first. Memory use is that of one chunk.

    Args:
        contents: lines of the day in the exact dialect, ordered by ``started_at, origin, record_id``.
        day: day and version to write.
        export_dir: root folder of all exports.
        announce: whether to write the manifest too; readers ignore a file without one.

    Raises:
        SealedFileExists: a final file of this version, or of a later one, is on disk.
        ExportError: the file cannot be written, or the records are out of order.
    """

    def produce(writing: AtomicFile) -> Manifest:
        content, totals = Content(writing, day.compression), ManifestTotals(names(exported_only=True))
        content.write(header())
        for lines in contents:
            totals.add_lines(lines)
            content.write(lines)
        digest = content.finish()
        return replace(manifest_of(day, EXACT, writing, digest), rows=totals.rows, totals=totals.totals.as_json())

    return write_file(day.path(export_dir), produce, day=day, announce=announce)


def write_file(
    path: Path, produce: Callable[[AtomicFile], Manifest], *, day: DailyFile, announce: bool = True
) -> WrittenFile:
    """Writes a file of a day in any dialect: file first, manifest last.

    Args:
        path: path of the file.
        produce: function that writes the content and returns the manifest.
        day: day and version of the file.
        announce: whether to write the manifest too.

    Raises:
        SealedFileExists: a final file of this version, or of a later one, is on disk.
        ExportError: the file cannot be written.
    """
    with sole_writer(path.parent), new_file(path) as writing:
        require_not_final(path, day)
        manifest = produce(writing)
        if announce and _on_disk(path, manifest):
            return WrittenFile(path, read_manifest(manifest_path(path)), changed=False)
        remove(manifest_path(path))
        writing.place()
        if announce:
            _announce(path, manifest.sha256, encode_manifest(manifest), sealed=False)
    return WrittenFile(path, manifest, changed=True)


def publish(path: Path, sha256: str, manifest: bytes) -> bool:
    """Announces a sealed file: compares its bytes again, makes it read-only and writes its manifest last.

    Args:
        path: path of the file.
        sha256: hash of the sealed file.
        manifest: bytes of the manifest, as stored in the ledger.

    Returns:
        Whether the manifest was written; false if the file was already announced.

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
                raise _sealed_file_exists(path.name)
        make_read_only(path)
        _announce(path, sha256, manifest, sealed=True)
    return True


def is_final(path: Path) -> bool:
    """Whether a manifest announces a final file: by its state, or because it is read-only and unreadable."""
    try:
        return read_manifest(path).state != "open"
    except ExportError:
        return is_read_only(path)


def final_manifests(folder: Path, account_id: str, business_date: date) -> dict[int, list[Path]]:
    """Paths of the manifests of a day's final files on disk, by version."""
    manifests: dict[int, list[Path]] = {}
    # A pattern of the day itself would be compiled for each day, which takes longer than looking at a month's names.
    prefix = f"cdrs_{account_id}_{business_date}_v"
    for path in folder.glob(f"cdrs_*{MANIFEST_SUFFIX}"):
        if not path.name.startswith(prefix):
            continue
        name_parts = day_of_name(path.name)
        if name_parts is not None and name_parts[:2] == (account_id, business_date) and is_final(path):
            manifests.setdefault(name_parts[2], []).append(path)
    return manifests


def require_not_final(path: Path, day: DailyFile) -> None:
    """Rejects writing a version that is final on disk, even if the ledger does not know it.

    A read-only file without a manifest counts as final: files become read-only when they are sealed.
    """
    final = final_manifests(path.parent, day.account_id, day.business_date)
    for version in sorted(final, reverse=True):
        if version >= day.version:
            raise _sealed_file_exists(final[version][0].name.removesuffix(MANIFEST_SUFFIX))
    if is_read_only(path):
        raise _sealed_file_exists(path.name)


def _sealed_file_exists(name: str) -> SealedFileExists:
    return SealedFileExists(
        f"{name} is final on disk and differs from the ledger; nothing was written; run 'cdr-pipeline days adopt'",
        hint="cdr-pipeline days adopt",
    )


def require_bytes(path: Path, sha256: str) -> None:
    """Checks that a file has the bytes that were sealed.

    Raises:
        SealedFileDamaged: the file is missing, unreadable or has other bytes.
    """
    try:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise SealedFileDamaged(
            f"{path.name} was sealed and cannot be read: {error.strerror}; run 'cdr-pipeline days repair'", hint=_REPAIR
        ) from None
    if digest != sha256:
        raise SealedFileDamaged(
            f"{path.name} was sealed with other bytes than it has now; run 'cdr-pipeline days repair'", hint=_REPAIR
        )


def sealed_manifest(path: Path) -> Manifest:
    """The manifest of a sealed file.

    Raises:
        SealedFileDamaged: the manifest is missing or damaged.
    """
    try:
        return read_manifest(manifest_path(path))
    except ExportError as error:
        raise SealedFileDamaged(f"{error.message}; run 'cdr-pipeline days repair'", hint=_REPAIR) from None


def manifest_of(day: DailyFile, dialect: str, writing: DescribedFile, content_sha256: str) -> Manifest:
    """Manifest of a file of the day, without rows and totals; the caller adds them."""
    start, _ = day_bounds(day.business_date, day.time_zone)
    _, end = day_bounds(day.business_date, day.next_time_zone or day.time_zone)
    return Manifest(
        manifest_schema=SCHEMA,
        file=writing.target.name,
        sha256=writing.sha256,
        bytes=writing.size,
        rows=0,
        content_sha256=content_sha256,
        columns=list(names(exported_only=True)),
        dialect=dialect,
        compression=day.compression if dialect_named(dialect).is_text else "none",
        rule=None,
        account_id=day.account_id,
        business_date=day.business_date.isoformat(),
        time_zone=day.time_zone,
        next_time_zone=day.next_time_zone,
        window_start_utc=utc_text(start),
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
    with new_file(manifest_path(path)) as manifest_file:
        manifest_file.write(manifest)
        if sealed and isinstance(path, StorePath):
            # The manifest of the open day. The put below then fails if another writer announced something else.
            remove(manifest_path(path))
        manifest_file.place(mode=SEALED_MODE if sealed else None, replace=not sealed)


def _on_disk(path: Path, manifest: Manifest) -> bool:
    """Whether the same file is on disk, with a manifest of the same content."""
    try:
        if not manifest.equal_content(read_manifest(manifest_path(path))):
            return False
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest() == manifest.sha256
    except (OSError, ExportError):
        return False
