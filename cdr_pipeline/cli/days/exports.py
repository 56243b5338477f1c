"""``cdr-pipeline export`` and ``verify-export``: finance's files written and checked."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts
from cdr_pipeline.cli.dates import Day, parse_month
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show, titles
from cdr_pipeline.errors.counts import count_of

_FILES: Final = listing(
    "files", "Daily files", "account", "day", "state", "rows", "file", "changed", "failure", numbers=("rows",),
    sentences=("failure",), titles={"changed": "outcome"},
)  # fmt: skip
_MONTHS: Final = listing(
    "files", "Files of the month", "account", "days", "state", "file", "failure", numbers=("days",),
    sentences=("failure",),
)  # fmt: skip
_VERIFIED: Final = listing("differences", "Differences", "file", "difference", sentences=("difference",))
_CHECKED: Final = listing("checked", "Checked", "files", "broken", single=True, blocks=True)


@reports(_FILES)
def export(
    *,
    date: Day,
    account: Accounts = None,
) -> None:
    """Write the daily files of a business date, and of every open day whose records have changed."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.days.export_days import ExportRequest, export_days, require_exported

    with run_context("exporting") as ctx:
        exported = export_days(ExportRequest([date.date()], account), ctx)
    rows = list[tuple[object, ...]]()
    for item in exported:
        if item.failure is not None:
            rows.append((item.account_id, item.business_date, "failed", None, None, None, item.failure.message))
        rows += [
            (
                item.account_id,
                item.business_date,
                item.state,
                file.rows,
                file.path,
                Cell(file.changed, "written" if file.changed else "unchanged"),
                None,
            )
            for file in item.files
        ]
    show(_FILES, rows, ctx)
    require_exported(exported)


@reports(_MONTHS)
def export_month(
    *,
    month: Annotated[
        datetime, typer.Option("--month", parser=parse_month, metavar="MONTH", help="Month: YYYY-MM or -N.")
    ],
    account: Accounts = None,
    journal: Annotated[
        str | None,
        typer.Option(
            help="Write journal lines for netsuite, qbo or xero instead, in parts of the size that it accepts."
        ),
    ] = None,
) -> None:
    """Write a month from its daily files: all rows and a summary, or journal lines for accounting software."""
    from cdr_pipeline.cli.terminal import run_context
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
    failed = [item for item in written if item.failure is not None]
    rows = list[tuple[object, ...]]()
    for item in written:
        state = "final" if item.final else "provisional"
        rows += [(item.account_id, item.days, state, file, None) for file in item.files]
        if item.failure is not None:
            rows.append((item.account_id, None, "failed", None, item.failure.message))
    show(_MONTHS, rows, ctx)
    if failed:
        raise ExportError(
            f"{count_of(len(failed), 'account has', 'accounts have')} no files of the month: "
            f"{titles((item.account_id for item in failed), ctx)}",
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


@reports(_CHECKED, _VERIFIED)
def verify_export(
    path: Annotated[
        Path,
        typer.Argument(
            parser=_place, metavar="PATH", help="A daily file, or a folder of them; also s3://, abfs:// and gs://."
        ),
    ],
) -> None:
    """Check daily files of any dialect against their manifests, offline. Exits with 8 and names what differs."""
    from cdr_pipeline.cli.reports import is_json
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
    if is_json():
        show(_CHECKED, [(len(differences_by_file), broken)])
        show(
            _VERIFIED,
            ((file, text) for file, differences in sorted(differences_by_file.items()) for text in differences),
        )
    out.print(f"{count_of(len(differences_by_file), 'file')} checked, {broken} differ from their manifest")
    if broken:
        hints = ["fetch them again; on the machine that wrote them, 'cdr-pipeline days repair'"] * (broken > lost)
        if lost:
            hints.append(
                "the version that replaces a lost file is complete; if a copy of the lost file turns up, put it back "
                "and run 'cdr-pipeline days repair --date DATE'"
            )
        raise ExportError(
            f"{count_of(broken, 'file differs', 'files differ')} from the manifest", hint="; ".join(hints)
        )
