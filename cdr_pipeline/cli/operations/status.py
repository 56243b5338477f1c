"""``cdr-pipeline status``: what is in the warehouse."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cdr_pipeline.cli.dates import parse_day, require_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.steps.uploads.upload_series import FileSeries
    from cdr_pipeline.warehouse.ledger import DayStatus, UploadLine


def _completeness(day: "DayStatus", through: str) -> str:
    if day.failed_windows:
        return f"[red]{day.failed_windows} window(s) failed[/red]"
    if day.volume in ("thin", "empty"):
        return f"{through} [red]{day.volume}: usual {day.usual_rows} rows[/red]"
    return through


def _print_files(series: "Sequence[FileSeries]", waiting: "Sequence[UploadLine]") -> None:
    """Files that are missing, late or skipped in their series, and those that wait for a person."""
    from rich.markup import escape

    from cdr_pipeline.cli.terminal import out, table

    if series:
        listing = table("Files in series", "account", "profile", "files", "last day", "missing days", "missing numbers",
                        "late files", numbers=frozenset({"files"}))  # fmt: skip
        for item in series:
            listing.add_row(
                item.account_id,
                item.profile,
                str(item.files),
                "" if item.last_date is None else str(item.last_date),
                _red("unknown: " + escape(item.fault)) if item.fault else _red(", ".join(map(str, item.missing_days))),
                _red(", ".join(map(str, item.missing_numbers))),
                escape(", ".join(item.late_files)),
            )
        out.print(listing)
    if waiting:
        listing = table("Files that wait for a person", "upload", "account", "file", "state", "why")
        for upload in waiting:
            why = escape(upload.error_message or "")
            listing.add_row(upload.sha256[:12], upload.account_id, escape(upload.file_name), upload.state, why)
        out.print(listing)


def _red(text: str) -> str:
    return f"[red]{text}[/red]" if text else ""


def status(
    *,
    first: Annotated[
        datetime | None, typer.Option("--from", parser=parse_day, metavar="DAY", help="First day to show.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", parser=parse_day, metavar="DAY", help="Last day to show.")
    ] = None,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; repeat for several.")] = None,
    night: Annotated[
        bool,
        typer.Option(
            "--night", help="Show one page instead: was last night (or that of --to) good? Exits with 9 if not."
        ),
    ] = False,
) -> None:
    """Show what is in the warehouse per account and day: rows by origin, completeness, file, and what is broken."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.cli.uploads.drops import print_drops
    from cdr_pipeline.steps.operations.disk import disk_forecasts
    from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
    from cdr_pipeline.steps.uploads.upload_series import upload_series

    require_order(first, last)
    if night:
        _say_night(last.date() if last else None)
        return

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        days = ledger.days.status(accounts, first.date() if first else date.min, last.date() if last else date.max)
        reasons = ledger.uploads.reject_reasons(accounts)
        waiting = ledger.uploads.list_all(accounts, states=("held", "refused"))
        dropped = waiting_drops(ledger, ctx, accounts)
        forecasts = disk_forecasts(ledger, ctx)
    series = upload_series(ctx, accounts)
    numbers = frozenset({"api rows", "imported rows", "api minutes", "rows in file"})
    listing = table(
        "Warehouse", "account", "day", "state", "api rows", "imported rows", "api minutes", "complete through (UTC)",
        "rows in file", numbers=numbers,
    )  # fmt: skip
    for day in days:
        through = f"{day.complete_through:%Y-%m-%d %H:%M}" if day.complete_through else "not collected"
        listing.add_row(
            day.account_id,
            str(day.business_date),
            day.state,
            str(day.api_rows),
            str(day.imported_rows),
            f"{day.api_minutes:.1f}",
            _completeness(day, through),
            "no file" if day.row_count is None else str(day.row_count),
        )
    out.print(listing)
    _print_files(series, waiting)
    print_drops(dropped, ctx.settings.upload_dir)
    if reasons:
        broken = table("Rejected rows", "account", "origin", "reason", "field", "rows", numbers=frozenset({"rows"}))
        for row in reasons:
            broken.add_row(row["account_id"], row["origin"], row["reason"], row["field"], str(row["row_count"]))
        out.print(broken)
    for forecast in forecasts:
        short = forecast.is_short(ctx.settings.disk_warning_days)
        out.print(forecast.text(), style="red" if short else None, markup=False, soft_wrap=True)
    if not days:
        out.print("nothing yet: 'cdr-pipeline nightly --date YYYY-MM-DD' collects a day")


def _say_night(day: date | None) -> None:
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.errors import IncompleteNight
    from cdr_pipeline.steps.operations.night_report import last_night, night_report

    with run_context("reading") as ctx:
        report = night_report(day or last_night(ctx), ctx)
    out.print(f"Night of {report.business_date}: {report.verdict}", markup=False)
    counts = report.counts
    numbers = ("read", "merged", "unchanged", "duplicate", "rejected", "filtered")
    rows = table("Rows of the switch", *numbers, numbers=frozenset(numbers))
    rows.add_row(*(str(getattr(counts, name)) for name in numbers))
    out.print(rows)
    totals = table(
        "By origin", "origin", "rows", "billed minutes", "money", numbers=frozenset({"rows", "billed minutes"})
    )
    for item in report.totals:
        money = ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(item.money.items()))
        totals.add_row(item.origin, str(item.rows), f"{item.minutes:,}", money)
    out.print(totals)
    if report.broken:
        broken = table("Broken now", "what", "code", "since (UTC)", "fixed by")
        for item in report.broken:
            broken.add_row(item.what, item.code, f"{item.since:%Y-%m-%d %H:%M}", item.command)
        out.print(broken)
    if not report.good:
        raise IncompleteNight(
            f"night of {report.business_date}: {report.verdict}", hint="the table above has the command for each part"
        )
