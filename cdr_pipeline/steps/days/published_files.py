"""Daily files and states of days for the API."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import orjson

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.export_files import PublishedFile

MOST_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A daily file on disk."""

    path: Path
    sha256: str


def list_files(account_id: str, first: date, last: date, ctx: RunContext) -> list[dict[str, Any]]:
    """Files of an account's days with their manifests, ordered by day, version and dialect, without paths."""
    with ctx.ledger() as ledger:
        return [
            {
                "id": file.file_id,
                "business_date": str(file.business_date),
                "version": file.version,
                "dialect": file.dialect,
                "file_name": Path(file.path).name,
                "sha256": file.sha256,
                "bytes": file.bytes,
                "rows": file.row_count,
                "written_at": file.written_at.isoformat(),
                "manifest": None if file.manifest is None else orjson.loads(file.manifest),
            }
            for file in ledger.files.published_files(account_id, first, last)
        ]


def find_file(account_id: str, file_id: str, ctx: RunContext) -> FoundFile | None:
    """The file of an id if it is both in the ledger and on disk. The id is never used to build a path."""
    with ctx.ledger() as ledger:
        key = PublishedFile.key_of(file_id)
        if key is None:
            return None
        files = ledger.files.published_files(account_id, key.business_date, key.business_date)
    match = next((file for file in files if file.file_id == file_id), None)
    if match is None:
        return None
    path = ctx.settings.export_dir / match.path
    return FoundFile(path, match.sha256) if path.is_file() else None


def list_days(account_id: str, first: date, last: date, ctx: RunContext) -> list[dict[str, Any]]:
    """States of an account's days: end of complete data, records by origin, day state and reconciliation result."""
    with ctx.ledger() as ledger:
        days: list[dict[str, Any]] = []
        for day in ledger.days.status([account_id], first, last):
            verdict = ledger.reconciliations.of_day(account_id, day.business_date)
            days.append(
                {
                    "business_date": str(day.business_date),
                    "state": day.state,
                    "complete_through": day.complete_through and day.complete_through.isoformat(),
                    "changed_at": day.changed_at and day.changed_at.isoformat(),
                    "exported_at": day.exported_at and day.exported_at.isoformat(),
                    "records": {"api": day.api_rows, "imported": day.imported_rows},
                    "volume": day.volume,
                    "failed_windows": day.failed_windows,
                    "reconciliation": {
                        "status": verdict.status,
                        "breaks": verdict.breaks,
                        "exposure": f"{verdict.exposure:f}",
                    },
                }
            )
    return days
