"""Differences between a version of a day's file and the version before, from the adjustment file of the restatement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from cdr_pipeline.exports.exact_csv import scan_cells
from cdr_pipeline.files.store import as_local_file
from cdr_pipeline.steps.days.published_files import find_file
from cdr_pipeline.steps.run_context import RunContext

# Columns without numbers and names of callers.
_COLUMNS: Final = (
    "change", "side", "reason", "record_id", "origin", "started_at", "duration_seconds", "billing_seconds", "cost",
    "cost_currency",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """Rows that a version added, changed or withdrew.

    Attributes:
        version: number of the version.
        counts: number of rows by change and side; a changed row has two sides.
        rows: the first rows, as texts by column.
    """

    version: int
    counts: Mapping[tuple[str, str], int]
    rows: list[dict[str, str | None]]


def version_difference(
    account_id: str, business_date: date, version: int, ctx: RunContext, *, most: int
) -> VersionDifference | None:
    """The difference; None for a version without an adjustment file, such as the first.

    Args:
        account_id: account that owns the day.
        business_date: the day.
        version: number of the version.
        ctx: settings, warehouse, clock and progress callback.
        most: largest number of rows.
    """
    file = find_file(account_id, f"{business_date}_v{version}_adjustment", ctx)
    if file is None:
        return None
    with as_local_file(file.path) as local:
        scan = scan_cells(local)
        known = [name for name in _COLUMNS if name in scan.collect_schema().names()]
        counts = scan.group_by("change", "side").agg(pl.len()).collect()
        rows = scan.select(known).head(most).collect().to_dicts()
    return VersionDifference(version, {(change, side): number for change, side, number in counts.iter_rows()}, rows)
