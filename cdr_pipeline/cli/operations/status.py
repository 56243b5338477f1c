"""``cdr-pipeline status``: what is in the warehouse."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts
from cdr_pipeline.cli.dates import First, Last, chosen_range, day_option
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.operations.problems import problem_listing, problem_rows
from cdr_pipeline.cli.reports import is_json, reports, show
from cdr_pipeline.cli.uploads.drops import DROPS, print_drops
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.steps.run_context import RunContext
    from cdr_pipeline.steps.uploads.upload_series import FileSeries
    from cdr_pipeline.warehouse.ledger import DayStatus, UploadLine

_DAYS: Final = listing(
    "days", "Warehouse", "account", "day", "state", "api_rows", "imported_rows", "api_minutes", "complete_through",
    "file_rows", "failed_windows", "volume", "usual_rows",
    numbers=("api_rows", "imported_rows", "api_minutes", "file_rows"),
    titles={
        "api_rows": "switch", "imported_rows": "files", "api_minutes": "minutes", "file_rows": "in file",
        "complete_through": "whole until (UTC)", "failed_windows": "failed", "usual_rows": "usual",
    },
)  # fmt: skip
_SERIES: Final = listing(
    "series", "Files in series", "account", "profile", "files", "last_day", "missing_days", "missing_numbers",
    "late_files", "fault", numbers=("files",), sentences=("missing_days", "missing_numbers", "late_files", "fault"),
)  # fmt: skip
_WAITING: Final = listing(
    "waiting_uploads", "Files that wait for a person", "upload", "account", "file", "state", "why", sentences=("why",)
)
_DISKS: Final = listing("disks", "Disks", "folder", "holds", "free_bytes", "total_bytes", "daily_bytes", "days_left")
_REJECTS: Final = listing("rejects", "Rejected rows", "account", "origin", "reason", "field", "rows", numbers=("rows",))
_NIGHT: Final = listing("night", "Night", "day", "good", "verdict", "as_of", single=True, blocks=True)
_CLASSES: Final = ("read", "merged", "unchanged", "duplicate", "rejected", "filtered")
_COUNTS: Final = listing("counts", "Rows of the switch", *_CLASSES, numbers=_CLASSES, single=True)
_TOTALS: Final = listing(
    "totals", "By origin", "origin", "rows", "billed_minutes", "money", numbers=("rows", "billed_minutes")
)
_BROKEN: Final = problem_listing("broken", "Broken now")


@reports(_DAYS, _SERIES, _WAITING, DROPS, _REJECTS, _DISKS, _NIGHT, _COUNTS, _TOTALS, _BROKEN)
def status(
    *,
    first: First = None,
    last: Last = None,
    day: Annotated[datetime | None, day_option("Only this day; with --night, its night")] = None,
    account: Accounts = None,
    night: Annotated[
        bool,
        typer.Option(
            "--night", help="Show one page instead: was last night (or that of --date) good? Exits with 9 if not."
        ),
    ] = False,
) -> None:
    """Show what is in the warehouse per account and day: rows by origin, completeness, file, and what is broken."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.operations.disk import disk_forecasts
    from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
    from cdr_pipeline.steps.uploads.upload_series import upload_series

    first, last = chosen_range(first, last, day)
    if night:
        _show_night(last.date() if last else None)
        return

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        days = ledger.days.status(accounts, first.date() if first else date.min, last.date() if last else date.max)
        reasons = ledger.uploads.reject_reasons(accounts)
        waiting = ledger.uploads.list_all(accounts, states=("held", "refused"))
        dropped = waiting_drops(ledger, ctx, accounts)
        forecasts = disk_forecasts(ledger, ctx)
    series = upload_series(ctx, accounts)
    show(_DAYS, map(_day_row, days), ctx)
    _print_files(series, waiting, ctx)
    print_drops(dropped, ctx)
    if reasons:
        names = ("account_id", "origin", "reason", "field", "row_count")
        show(_REJECTS, ([row[name] for name in names] for row in reasons), ctx)
    if is_json():
        figures = ("folder", "holds", "free_bytes", "total_bytes", "daily_bytes", "days_left")
        show(_DISKS, ([getattr(item, name) for name in figures] for item in forecasts))
    for forecast in forecasts:
        short = forecast.is_short(ctx.settings.disk_warning_days)
        out.print(forecast.text(), style="red" if short else None, markup=False, soft_wrap=True)
    if not days:
        out.print("nothing yet: 'cdr-pipeline nightly --date yesterday' collects a day")


def _day_row(day: "DayStatus") -> tuple[object, ...]:
    through = Cell(day.complete_through, None if day.complete_through else "not collected")
    unusual = day.volume in ("thin", "empty")
    return (
        day.account_id,
        day.business_date,
        day.state,
        day.api_rows,
        day.imported_rows,
        Cell(round(float(day.api_minutes), 1), f"{day.api_minutes:.1f}"),
        through,
        Cell(day.row_count, None if day.row_count is not None else "no file"),
        Cell(day.failed_windows, f"{count_of(day.failed_windows, 'window')}" if day.failed_windows else "", "red"),
        Cell(day.volume, day.volume if unusual else "", "red"),
        Cell(day.usual_rows, f"{day.usual_rows} rows" if unusual else "", "red"),
    )


def _print_files(series: "Sequence[FileSeries]", waiting: "Sequence[UploadLine]", ctx: "RunContext") -> None:
    """Files that are missing, late or skipped in their series, and those that wait for a person."""
    if series:
        show(
            _SERIES,
            (
                (
                    item.account_id,
                    item.profile,
                    item.files,
                    item.last_date,
                    Cell(item.missing_days, style="red"),
                    Cell(item.missing_numbers, style="red"),
                    item.late_files,
                    Cell(item.fault or None, style="red"),
                )
                for item in series
            ),
            ctx,
        )
    if waiting:
        show(
            _WAITING,
            ((item.sha256[:12], item.account_id, item.file_name, item.state, item.error_message) for item in waiting),
            ctx,
        )


def _show_night(day: date | None) -> None:
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import IncompleteNight
    from cdr_pipeline.steps.operations.night_report import last_night, night_report

    with run_context("reading") as ctx:
        report = night_report(day or last_night(ctx), ctx, late_after=timedelta())
    if is_json():
        show(_NIGHT, [(report.business_date, report.good, report.verdict, report.written_at)])
    out.print(f"Night of {report.business_date}: {report.verdict}", markup=False)
    show(_COUNTS, [[getattr(report.counts, name) for name in _CLASSES]])
    show(
        _TOTALS,
        (
            (
                item.origin,
                item.rows,
                Cell(item.minutes, f"{item.minutes:,}"),
                Cell(
                    item.money,
                    ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(item.money.items())),
                ),
            )
            for item in report.totals
        ),
    )
    if report.broken:
        show(_BROKEN, problem_rows(report.broken))
    if not report.good:
        raise IncompleteNight(
            f"night of {report.business_date}: {report.verdict}", hint="the list above has the command for each part"
        )
