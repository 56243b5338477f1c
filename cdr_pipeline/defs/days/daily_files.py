"""The asset ``daily_files``: CSV files with manifests."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import TypeAdapter

from cdr_pipeline.defs.columns import file_columns, file_lineage
from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.metadata import (
    AccountTitles,
    failures_metadata,
    folder_metadata,
    plot,
    scope_metadata,
    table,
)
from cdr_pipeline.defs.shards import AccountWork, day_asset
from cdr_pipeline.exports.verify import verify_file
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.export_days import ExportedDay, ExportRequest, export_days
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.remedies import remedy_of

CHECK = "every_file_matches_its_manifest"


@dataclass(frozen=True, slots=True)
class WrittenDays:
    """Exported days, and the paths of written files that do not match their manifests."""

    days: list[ExportedDay]
    broken: frozenset[Path]


def daily_files_asset(days: dg.PartitionsDefinition[str], settings: Settings) -> dg.AssetsDefinition:
    """The asset ``daily_files``."""

    def daily_files(run: DayRun) -> WrittenDays:
        """One CSV per account and business date, with a manifest that proves it complete.

        Also exports every earlier open day whose records have changed. A file whose content is unchanged is not
        written.
        """
        exported = export_days(ExportRequest(run.dates, run.accounts), run.ctx)
        written = [file.path for item in exported for file in item.files if file.changed]
        return WrittenDays(exported, frozenset(path for path in written if verify_file(path)))

    asset = DayAsset(
        days,
        "finance",
        {"csv", "file"},
        deps=(
            "cdr",
            "reconciliation",
        ),
        checks=(
            DayCheck(CHECK, "Every day has its files, and their bytes, rows and totals equal those of the manifests."),
        ),
        metadata={"dagster/column_schema": file_columns()},
    )
    work = AccountWork(
        work=daily_files,
        results=lambda written, run: [_result(written.days, written.broken, run)],
        join=_joined,
        fail=_failed,
        kind=TypeAdapter(WrittenDays),
    )
    return day_asset(asset, work, settings)


def _joined(shards: Sequence[WrittenDays], _run: DayRun) -> WrittenDays:
    days = [item for shard in shards for item in shard.days]
    days.sort(key=lambda item: (not item.asked, item.business_date, item.account_id))
    return WrittenDays(days, frozenset[Path]().union(*(shard.broken for shard in shards)))


def _failed(failures: Sequence[AccountFailure], run: DayRun) -> WrittenDays:
    days = [
        ExportedDay(failure.account_id, day, None, asked=True, failure=failure)
        for day in run.dates
        for failure in failures
    ]
    return WrittenDays(days, frozenset())


def _result(exported: list[ExportedDay], broken: AbstractSet[Path], run: DayRun) -> DayResult:
    export_dir, titles = run.ctx.settings.export_dir, AccountTitles.of(run.ctx)
    names = titles.names
    written = [file for item in exported for file in item.files if file.changed]
    failures = [item.failure for item in exported if item.failure is not None]
    header = ("day", "account", "state", "version", "rows", "bytes", "sha256", "outcome", "file")
    return DayResult(
        metadata={
            **scope_metadata(run.accounts),
            "days": len(exported),
            "days_late_pending": sum(item.late_pending for item in exported),
            "files": sum(len(item.files) for item in exported),
            "files_written": len(written),
            "earlier_days_written_again": sum(not item.asked for item in exported),
            "dagster/row_count": sum(item.file.rows for item in exported if item.file),
            "bytes": sum(item.file.size for item in exported if item.file),
            "dagster/column_lineage": file_lineage(),
            **folder_metadata(run.ctx.settings, f"/calendar?month={max(run.dates):%Y-%m}", str(export_dir)),
            **plot(
                "Rows in the files of the requested days, by account",
                [(titles.name(item.account_id), {"rows": _rows(item)}) for item in exported if item.asked],
            ),
            "days_failed": len(failures),
            **failures_metadata(failures, names),
            "per_day": table(header, [_line(item, export_dir, titles) for item in exported[:200]]),
        },
        checks=lambda dates: [_matching([item for item in exported if _concerns(item, dates, run)], broken, names)],
    )


def _concerns(item: ExportedDay, dates: Sequence[date], run: DayRun) -> bool:
    """Whether a check of these dates judges the file. An earlier day that was exported too belongs to the last date."""
    return item.business_date in dates or (item.business_date not in run.dates and run.dates[-1] in dates)


def _matching(exported: list[ExportedDay], broken: AbstractSet[Path], names: Mapping[str, str]) -> dg.AssetCheckResult:
    written = [file.path for item in exported for file in item.files if file.changed]
    faulty = [path.name for path in written if path in broken]
    failures = [item.failure for item in exported if item.failure is not None]
    days = sorted({item.business_date for item in exported if item.failure is not None})
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not faulty and not failures,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "files_checked": len(written),
            "files_broken": len(faulty),
            "days_failed": len(failures),
            **failures_metadata(failures, names),
            **({"what_to_do": remedy_of(failures, days)} if failures else {}),
            **({"broken": table(("file",), [(name,) for name in faulty[:200]])} if faulty else {}),
        },
    )


def _rows(item: ExportedDay) -> float | None:
    return None if item.file is None else float(item.file.rows)


def _line(item: ExportedDay, export_dir: Path, titles: AccountTitles) -> tuple[object, ...]:
    """State, version, rows and path of the file of one day. The page of the day has the file and its manifest."""
    account = titles.day(item.account_id, item.business_date)
    if item.file is None:
        code = item.failure.code if item.failure else ""
        return (item.business_date, account, "failed", "", "", "", "", code, "")
    manifest = item.file.manifest
    if item.late_pending:
        outcome = "late records wait for a restatement"
    else:
        outcome = "written" if item.file.changed else "unchanged"
    return (
        item.business_date,
        account,
        manifest.state,
        titles.link(manifest.version, f"/days/{item.account_id}/{item.business_date}/versions/{manifest.version}"),
        item.file.rows,
        item.file.size,
        item.file.sha256[:12],
        outcome,
        titles.link(item.file.path.relative_to(export_dir), f"/days/{item.account_id}/{item.business_date}"),
    )
