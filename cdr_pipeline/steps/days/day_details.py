"""One account's day in full: state, obstacles, totals, loads, rejected lines, carriers, files and history."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import PurePosixPath

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.exports.verify import verify_file
from cdr_pipeline.steps.days.seal_days import Obstacle, day_obstacles
from cdr_pipeline.steps.operations.night_report import OriginTotals, rows_by_hour, totals_of
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.export_files import PublishedFile
from cdr_pipeline.warehouse.ledger import Account, DayBatch, DayEvent, DayLine, OpenRejects
from cdr_pipeline.warehouse.reconciliation.reconciliations import DayReconciliation


@dataclass(frozen=True, slots=True)
class DayDetails:
    """One account's day.

    Attributes:
        line: state and newest file; None for a day without a ledger entry.
        obstacles: what blocks sealing; empty for a final day.
        totals: rows, minutes and money by origin.
        traffic: rows by hour (UTC) and origin.
        counts: rows by class over the day's windows.
        reconciliation: verdict over all carriers.
        files: daily files of all versions.
        batches: loads that changed the day.
        events: seals and restatements, oldest first.
        rejects: rejected lines of both origins that are neither corrected nor dismissed.
    """

    line: DayLine | None
    obstacles: Sequence[Obstacle]
    totals: Sequence[OriginTotals]
    traffic: dict[str, tuple[int, ...]]
    counts: BatchCounts
    reconciliation: DayReconciliation
    files: Sequence[PublishedFile]
    batches: Sequence[DayBatch]
    events: Sequence[DayEvent]
    rejects: Sequence[OpenRejects] = ()


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """Result of comparing a file with its manifest; ``differences`` is empty if they agree."""

    file_name: str
    differences: Sequence[str]


def day_details(account: Account, business_date: date, ctx: RunContext) -> DayDetails:
    """Reads one account's day."""
    account_id = account.account_id
    with ctx.ledger() as ledger:
        lines = ledger.day_states.lines([account_id], business_date, business_date)
        traffic = ledger.health.day_traffic([account_id], [business_date])
        details = DayDetails(
            lines[0] if lines else None,
            (),
            totals_of(traffic),
            rows_by_hour(traffic),
            ledger.health.counts_of_day([account_id], business_date),
            ledger.reconciliations.of_day(account_id, business_date),
            ledger.files.published_files(account_id, business_date, business_date),
            ledger.day_states.batches(account_id, business_date),
            ledger.day_states.events(account_id, business_date),
            ledger.health.open_rejects([account_id], business_date=business_date),
        )
    if details.line is None or details.line.state != "open":
        return details
    return replace(details, obstacles=day_obstacles(account, business_date, ctx))


def verify_day(account_id: str, business_date: date, ctx: RunContext) -> list[VerifiedFile]:
    """Recomputes hashes, rows and totals of every file of a day and compares them with the manifests."""
    with ctx.ledger() as ledger:
        files = ledger.files.published_files(account_id, business_date, business_date)
    return [
        VerifiedFile(PurePosixPath(file.path).name, verify_file(ctx.settings.export_dir / file.path)) for file in files
    ]
