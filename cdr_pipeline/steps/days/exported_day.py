"""Result of the export of one account and day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cdr_pipeline.exports.daily_file import WrittenFile, require_bytes
from cdr_pipeline.exports.dialects.registry import EXACT
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import read_manifest
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import DayRecord, ExportFile


@dataclass(frozen=True, slots=True)
class ExportedDay:
    """Files of one account and day.

    Attributes:
        account_id: account that owns the records.
        business_date: business date of the files.
        file: the exact file with path, size, hash, totals, and whether its bytes changed; None when the day failed.
        asked: whether the day was requested; otherwise it was exported because its records had changed.
        others: files in other dialects.
        late_pending: whether the sealed day has late records; its files do not change.
        failure: cause of a failure; None on success.
    """

    account_id: str
    business_date: date
    file: WrittenFile | None
    asked: bool
    others: tuple[WrittenFile, ...] = ()
    late_pending: bool = False
    failure: AccountFailure | None = None

    @property
    def files(self) -> tuple[WrittenFile, ...]:
        """All files, the exact file first; empty when the day failed."""
        return () if self.file is None else (self.file, *self.others)

    @property
    def state(self) -> str:
        """State of the day: open, sealed, restated, late_pending or failed."""
        if self.file is None:
            return "failed"
        return "late_pending" if self.late_pending else self.file.manifest.state


def sealed_day(recorded: Sequence[ExportFile], record: DayRecord, ctx: RunContext, *, asked: bool) -> ExportedDay:
    """The existing files of a sealed day whose manifests are published.

    Args:
        recorded: files of the day's version, as the ledger recorded them.
        record: ledger entry of the day.
        ctx: settings of the run.
        asked: whether the day was requested.

    Raises:
        SealedFileDamaged: a file is missing or differs from the sealed bytes.
        ExportError: a manifest cannot be read.
    """
    sealed = {
        file.dialect: WrittenFile(path, read_manifest(manifest_path(path)), changed=False)
        for file, path in ((file, _sealed_path(ctx.settings.export_dir, file)) for file in recorded)
    }
    exact = sealed.pop(EXACT)
    account_id, day = recorded[0].account_id, recorded[0].business_date
    return ExportedDay(account_id, day, exact, asked, tuple(sealed.values()), late_pending=record.late_pending)


def _sealed_path(export_dir: Path, file: ExportFile) -> Path:
    path = export_dir / file.path
    require_bytes(path, file.sha256)
    return path
