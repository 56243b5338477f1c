"""``cdr-pipeline import``, ``export`` and ``verify-export``: files in, files out, files checked."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

_DATE = typer.Option("--date", formats=["%Y-%m-%d"], help="Business date, YYYY-MM-DD.")
_ACCOUNTS = typer.Option("--account", help="Only this account; may be given several times.")


def import_file(
    file: Annotated[Path, typer.Argument(help="The carrier's file.")],
    *,
    account: Annotated[str, typer.Option("--account", help="Account whose calls it holds.")],
    profile: Annotated[str, typer.Option("--profile", help="How the file is written, such as asterisk or generic.")],
    time_zone: Annotated[
        str | None, typer.Option(help="IANA zone of the file's local times, when not the account's.")
    ] = None,
) -> None:
    """Import one file, tagged imported: every line is merged, known, duplicate, rejected or filtered."""
    from cdr_pipeline.cli.console import out, table, workplace
    from cdr_pipeline.steps.export_days import ExportRequest, export_days
    from cdr_pipeline.steps.load_uploads import import_upload
    from cdr_pipeline.steps.take_in_uploads import UploadRequest

    with workplace("importing") as at:
        loaded = import_upload(UploadRequest(file, account, profile, time_zone), at)
        exported = export_days(ExportRequest((), [account]), at)
    counts = loaded.counts
    columns = ("read", "merged", "unchanged", "duplicate", "rejected", "filtered")
    listing = table(f"{loaded.file_name} ({profile})", *columns, numbers=frozenset(columns))
    listing.add_row(
        *map(
            str,
            (
                counts.read,
                counts.merged,
                counts.unchanged,
                counts.duplicate,
                counts.rejected,
                counts.filtered,
            ),
        )
    )
    out.print(listing)
    if loaded.known:
        out.print("these bytes were imported before; the counts are those of the first time")
    for kind, reasons in (("rejected", loaded.reject_reasons), ("filtered", loaded.filtered_reasons)):
        for reason, number in reasons.items():
            out.print(f"  {kind}: {number} {reason}")
    if exported:
        out.print(f"{len(exported)} daily file(s) written below {at.settings.export_dir}")


def export(
    *,
    date: Annotated[datetime, _DATE],
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
) -> None:
    """Write the daily files of a business date, and of every open day whose records have changed."""
    from cdr_pipeline.cli.console import out, table, workplace
    from cdr_pipeline.steps.export_days import ExportRequest, export_days

    with workplace("exporting") as at:
        exported = export_days(ExportRequest([date.date()], account), at)
    listing = table("Daily files", "account", "day", "rows", "file", "outcome", numbers=frozenset({"rows"}))
    for item in exported:
        listing.add_row(
            item.account_id,
            str(item.business_date),
            str(item.file.rows),
            str(item.file.path),
            "written" if item.file.changed else "unchanged",
        )
    out.print(listing)


def verify_export(
    path: Annotated[Path, typer.Argument(exists=True, help="A daily file, or a folder of them.")],
) -> None:
    """Check daily files against their manifests, offline. Exits 8 and names what differs."""
    from cdr_pipeline.cli.console import out
    from cdr_pipeline.errors import ExportError
    from cdr_pipeline.exports.verify import verify_file, verify_tree

    found = verify_tree(path) if path.is_dir() else {path: verify_file(path)}
    broken = 0
    for file, differences in sorted(found.items()):
        for difference in differences:
            out.print(f"{file}: {difference}", markup=False)
        broken += bool(differences)
    out.print(f"{len(found)} file(s) checked, {broken} differ from their manifest")
    if broken:
        raise ExportError(
            f"{broken} file(s) differ from their manifest", hint="fetch them again, or export the day again"
        )
