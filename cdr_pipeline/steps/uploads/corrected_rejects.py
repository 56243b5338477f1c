"""Rejected lines as a table of cells, and the import of the cells that a person has changed."""

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import ConfigurationError, DecisionConflict
from cdr_pipeline.sources.uploads.corrections import COLUMNS, reject_file
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.days.export_days import ExportedDay
from cdr_pipeline.steps.reconciliation.reconcile_again import reconcile_again
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconciledDay
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.exported_upload import export_upload
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload
from cdr_pipeline.steps.uploads.rejects import find_upload, replay_rejects
from cdr_pipeline.warehouse.ledger import UploadLine

_FILE: Final = "corrected.txt"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A rejected line.

    Attributes:
        line: number of the line in the upload.
        field, reason, detail: why it was rejected.
        raw: the line as delivered.
        cells: its values by column; one cell with the whole line if it does not split into the columns.
    """

    line: int
    field: str
    reason: str
    detail: str
    raw: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectTable:
    """Open rejects of an upload.

    Attributes:
        upload: the upload.
        columns: names of the columns; empty if the format has none.
        rows: the first rejected lines.
        count: number of all open rejects.
    """

    upload: UploadLine
    columns: tuple[str, ...]
    rows: tuple[RejectedRow, ...]
    count: int


@dataclass(frozen=True, slots=True)
class MendedRejects:
    """Result of an import of changed lines: the load, and the days that were reconciled and written again."""

    loaded: LoadedUpload
    reconciled: Sequence[ReconciledDay]
    exported: Sequence[ExportedDay]


def reject_table(account_id: str, upload_id: str, ctx: RunContext, *, most: int) -> RejectTable:
    """The open rejects of an upload.

    Args:
        account_id: account of the upload.
        upload_id: id of the upload.
        ctx: settings, warehouse, clock and progress callback.
        most: largest number of rows.

    Raises:
        UnreadableUpload: the upload does not exist.
        UnknownProfile, InvalidProfile: its profile cannot be used any more.
    """
    with ctx.ledger() as ledger:
        upload = find_upload(ledger, upload_id, account_id)
        rejects = ledger.uploads.rejects(upload.account_id, upload.sha256)
        first = find_upload(ledger, upload.corrects, upload.account_id) if upload.corrects else upload
    profile = load_profile(upload.profile, folder=ctx.settings.profile_dir)
    splits = _splits(profile)
    source = ctx.settings.landing_dir / first.landing_path
    columns = _columns(source, profile) if splits else ()
    rows = tuple(
        RejectedRow(line, field or "", reason, detail or "", raw, _cells(raw, columns, profile) if splits else (raw,))
        for line, field, reason, raw, detail in rejects.head(most)
        .select(LINE, "field", "reason", RAW, "detail")
        .iter_rows()
    )
    return RejectTable(upload, columns, rows, rejects.height)


def correct_rejects(
    account_id: str, upload_id: str, changed: Mapping[int, Sequence[str]], ctx: RunContext
) -> MendedRejects:
    """Imports changed lines, reconciles their days again, and writes the files of open days.

    Lines that are still not valid stay rejected.

    Args:
        account_id: account of the upload.
        upload_id: id of the upload.
        changed: cells by number of the line, as in ``RejectTable``.
        ctx: settings, warehouse, clock and progress callback.

    Raises:
        ConfigurationError: no line is given, or a cell cannot be written in the format of the file.
        DecisionConflict: a line was corrected or dismissed meanwhile; nothing was imported.
        UnreadableUpload: the upload does not exist.
    """
    if not changed:
        raise ConfigurationError("no line was changed", hint="change a cell of the lines to import again")
    with ctx.ledger() as ledger:
        upload = find_upload(ledger, upload_id, account_id)
        rejects = ledger.uploads.rejects(upload.account_id, upload.sha256)
        first = find_upload(ledger, upload.corrects, upload.account_id) if upload.corrects else upload
    closed = sorted(set(changed) - set(rejects[LINE].to_list()))
    if closed:
        raise DecisionConflict(
            f"line {closed[0]} was corrected or dismissed meanwhile; nothing was imported",
            hint="open the page again and change the lines that are left",
        )
    profile = load_profile(upload.profile, folder=ctx.settings.profile_dir)
    texts = {line: cells[0] if len(cells) == 1 else _joined(cells, profile) for line, cells in changed.items()}
    chosen = rejects.filter(pl.col(LINE).is_in(list(texts))).with_columns(
        pl.col(LINE).replace_strict(texts, return_dtype=pl.String).alias(RAW)
    )
    source = ctx.settings.landing_dir / first.landing_path
    with tempfile.TemporaryDirectory(prefix="cdr_rejects_") as folder:
        path = Path(folder) / _FILE
        path.write_text("".join(reject_file(source, profile, first.sha256, chosen)), encoding="utf-8")
        loaded = replay_rejects(path, ctx, account_id)
    reconciled = reconcile_again(loaded.account_id, loaded.touched, ctx)
    return MendedRejects(loaded, reconciled, export_upload(loaded, ctx))


def _splits(profile: Profile) -> bool:
    """Whether a line is one row of cells that the csv module reads and writes without loss."""
    layout = profile.layout
    unusual = layout.squeeze or layout.escape or layout.unwrap or layout.skip_space or profile.segments.key
    return layout.format == "delimited" and not unusual


def _columns(source: Path, profile: Profile) -> tuple[str, ...]:
    if not profile.layout.header:
        return tuple(profile.layout.columns[0]) if profile.layout.columns else ()
    empty = pl.DataFrame(schema={LINE: pl.Int64, "field": pl.String, "reason": pl.String, RAW: pl.String})
    header = next(iter(reject_file(source, profile, "", empty)), "")
    return _split(header.rstrip("\r\n"), profile)[: -len(COLUMNS)]


def _cells(raw: str, columns: Sequence[str], profile: Profile) -> tuple[str, ...]:
    cells = _split(raw, profile)
    return cells if len(cells) == len(columns) and len(cells) > 1 else (raw,)


def _split(text: str, profile: Profile) -> tuple[str, ...]:
    layout = profile.layout
    if not layout.quoted:
        return tuple(text.split(layout.delimiter))
    try:
        return tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True), []))
    except csv.Error:
        return (text,)


def _joined(cells: Sequence[str], profile: Profile) -> str:
    layout = profile.layout
    if layout.quoted:
        text = io.StringIO()
        csv.writer(text, delimiter=layout.delimiter, lineterminator="").writerow(cells)
        return text.getvalue()
    if any(layout.delimiter in cell for cell in cells):
        raise ConfigurationError(
            f"a cell contains {layout.delimiter!r}, which separates the columns of this file",
            hint="leave the separator out; nothing was imported",
        )
    return layout.delimiter.join(cells)
