"""``cdr-pipeline export`` and ``verify-export``: finance's files written and checked."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cdr_pipeline.cli.dates import parse_day

_DATE = typer.Option(
    "--date", parser=parse_day, metavar="DAY", help="Business date: YYYY-MM-DD, today, yesterday or -N."
)
_ACCOUNTS = typer.Option("--account", help="Only this account; repeat for several.")


def export(
    *,
    date: Annotated[datetime, _DATE],
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
) -> None:
    """Write the daily files of a business date, and of every open day whose records have changed."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.steps.days.export_days import ExportRequest, export_days, require_exported

    with run_context("exporting") as ctx:
        exported = export_days(ExportRequest([date.date()], account), ctx)
    listing = table("Daily files", "account", "day", "state", "rows", "file", "outcome", numbers=frozenset({"rows"}))
    for item in exported:
        if item.failure is not None:
            listing.add_row(item.account_id, str(item.business_date), "failed", "", "", item.failure.message)
        for file in item.files:
            listing.add_row(
                item.account_id,
                str(item.business_date),
                item.state,
                str(file.rows),
                str(file.path),
                "written" if file.changed else "unchanged",
            )
    out.print(listing)
    require_exported(exported)


def export_month(
    *,
    month: Annotated[datetime, typer.Option("--month", formats=["%Y-%m"], help="Month, YYYY-MM.")],
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
    journal: Annotated[
        str | None,
        typer.Option(
            help="Write journal lines for netsuite, qbo or xero instead, in parts of the size that it accepts."
        ),
    ] = None,
) -> None:
    """Write a month from its daily files: all rows and a summary, or journal lines for accounting software."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.errors import ExportError
    from cdr_pipeline.exports.month import LIMITS, Preset
    from cdr_pipeline.steps.days.export_month import MonthRequest
    from cdr_pipeline.steps.days.export_month import export_month as write

    presets: dict[str, Preset] = {name: name for name in LIMITS}
    preset = presets.get(journal or "")
    if journal is not None and preset is None:
        raise typer.BadParameter(f"--journal is one of {', '.join(LIMITS)}")
    with run_context("exporting") as ctx:
        written = write(MonthRequest(month.date(), account, preset), ctx)
    listing = table("Files of the month", "account", "days", "state", "file", numbers=frozenset({"days"}))
    failed = [item for item in written if item.failure is not None]
    for item in written:
        for file in item.files:
            listing.add_row(item.account_id, str(item.days), "final" if item.final else "provisional", str(file))
        if item.failure is not None:
            listing.add_row(item.account_id, "", "failed", item.failure.message)
    out.print(listing)
    if failed:
        raise ExportError(
            f"{len(failed)} account(s) have no files of the month: {', '.join(item.account_id for item in failed)}",
            hint="the list has the cause of each; fix it, then run the same command again",
        )


def _place(text: str) -> Path:
    """A path that exists, on a disk or in an object store."""
    from cdr_pipeline.files.store import parse_url

    try:
        path = parse_url(text) if "://" in text else Path(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None
    if not path.exists():
        raise typer.BadParameter(f"Path {text!r} does not exist.")
    return path


def verify_export(
    path: Annotated[
        Path, typer.Argument(parser=_place, metavar="PATH", help="A daily file, or a folder of them; also s3://.")
    ],
) -> None:
    """Check daily files of any dialect against their manifests, offline. Exits with 8 and names what differs."""
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.errors import ExportError
    from cdr_pipeline.exports.verify import REPLACED, verify_file, verify_tree

    differences_by_file = verify_tree(path) if path.is_dir() else {path: verify_file(path)}
    broken = lost = 0
    for file, differences in sorted(differences_by_file.items()):
        for difference in differences:
            out.print(f"{file}: {difference}", markup=False)
        broken += bool(differences)
        lost += any(REPLACED in difference for difference in differences)
    out.print(f"{len(differences_by_file)} file(s) checked, {broken} differ from their manifest")
    if broken:
        hints = ["fetch them again; on the machine that wrote them, 'cdr-pipeline days repair'"] * (broken > lost)
        if lost:
            hints.append(
                "the version that replaces a lost file is complete; if a copy of the lost file turns up, put it back "
                "and run 'cdr-pipeline days repair --date DATE'"
            )
        raise ExportError(f"{broken} file(s) differ from their manifest", hint="; ".join(hints))
