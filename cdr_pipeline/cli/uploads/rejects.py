"""``cdr-pipeline rejects``: refused rows, exported to be corrected, and fed again."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts, OneAccount
from cdr_pipeline.cli.dates import day_option
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show
from cdr_pipeline.errors.counts import count_of

rejects_app = typer.Typer(help="Rejected rows: list, export, correct and replay them.", no_args_is_help=True)
_REJECTS: Final = listing(
    "rejects", "Rejected rows", "upload", "account", "origin", "file_or_window", "reason", "field", "rows",
    "first_line", "meaning", numbers=("rows", "first_line"), sentences=("meaning", "file_or_window"),
    titles={"origin": ""},
)  # fmt: skip


@rejects_app.command("list")
@reports(_REJECTS)
def list_rejects(
    *,
    account: Accounts = None,
    state: Annotated[str, typer.Option(help="open, corrected or dismissed.")] = "open",
) -> None:
    """Show rejected rows by file or window, reason and field, with the meaning of the reason."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.core.records.reasons import EXPLANATIONS, Reject

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        sources = ledger.uploads.reject_sources(accounts, state=state)
    show(
        _REJECTS,
        (
            (
                row["source"][:12] if row["origin"] == "imported" else None,
                row["account_id"],
                Cell(row["origin"], ""),
                row["file_name"] or Path(row["source"]).name,
                row["reason"],
                row["field"],
                row["row_count"],
                row["first_line"],
                EXPLANATIONS[Reject(row["reason"])] + (f" ({row['detail']})" if row["detail"] else ""),
            )
            for row in sources
        ),
        ctx,
    )
    if any(row["origin"] == "imported" for row in sources):
        out.print("to correct them: 'cdr-pipeline rejects export UPLOAD --out FILE', edit FILE, 'rejects replay FILE'")


@rejects_app.command("export")
def export(
    upload: Annotated[str, typer.Argument(help="Id of the upload or its first characters.")],
    *,
    file: Annotated[Path | None, typer.Option("--out", help="Output file; default: standard output.")] = None,
    account: OneAccount = None,
) -> None:
    """Write an upload's open rejects in the format of its file, with three extra columns: upload, line, reason.

    Correct the other columns, then run 'rejects replay' with the file. The file contains calls as they were
    delivered: only its owner can read it (mode 0600).
    """
    import sys

    from cdr_pipeline.cli.terminal import err, run_context
    from cdr_pipeline.files.durable import new_file
    from cdr_pipeline.steps.uploads.rejects import export_rejects

    with run_context("exporting") as ctx:
        rejects = export_rejects(upload, ctx, account)
    if file is None:
        sys.stdout.writelines(rejects.lines)
    else:
        with new_file(file.absolute()) as fresh:
            for line in rejects.lines:
                fresh.write(line.encode())
            fresh.place()
    err.print(f"{count_of(rejects.rows, 'rejected row')} of {rejects.upload.file_name}", markup=False)


@rejects_app.command("replay")
def replay(
    file: Annotated[Path, typer.Argument(help="A corrected reject file.")],
    *,
    account: OneAccount = None,
) -> None:
    """Import a corrected reject file: correct rows are merged and closed, the others are rejected again.

    Reconciles their days again, and writes the daily files of open days, as 'import' does. Exits with 13 if rows were
    rejected again, with 9 if a day could not be reconciled.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.cli.uploads.results import finish_upload, show_reconciled
    from cdr_pipeline.steps.reconciliation.reconcile_again import reconcile_again
    from cdr_pipeline.steps.uploads.exported_upload import export_upload
    from cdr_pipeline.steps.uploads.rejects import replay_rejects

    with run_context("replaying") as ctx:
        loaded = replay_rejects(file, ctx, account)
        reconciled = reconcile_again(loaded.account_id, loaded.touched, ctx)
        exported = export_upload(loaded, ctx)
    counts = loaded.counts
    out.print(f"{counts.read} lines: {counts.merged} merged, {counts.unchanged} unchanged, {counts.rejected} rejected")
    for reason, number in loaded.reject_reasons.items():
        out.print(f"  rejected: {number} {reason}")
    finish_upload(loaded, exported, ctx)
    show_reconciled(reconciled, ctx)


@rejects_app.command("dismiss")
def dismiss(
    upload: Annotated[str, typer.Argument(help="Id of an upload or its first characters; empty for a day.")] = "",
    *,
    by: Annotated[str, typer.Option(help="Person who decided; stored with the rows.")],
    reason: Annotated[str, typer.Option(help="Why the rows need no correction; stored with the rows.")],
    date: Annotated[
        datetime | None,
        day_option("Only rows of this day", "--date"),
    ] = None,
    account: Accounts = None,
) -> None:
    """Close rejected rows that are no calls, or that cannot be corrected. Manifests still count them as rejected.

    A reconciled day with rejected rows is red: such days are reconciled again. Exits with 9 if one could not be.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.cli.uploads.results import show_reconciled
    from cdr_pipeline.steps.uploads.rejects import DismissRequest, dismiss_rejects

    with run_context("dismissing") as ctx:
        dismissed = dismiss_rejects(DismissRequest(by, reason, upload, date.date() if date else None, account), ctx)
    out.print(f"{count_of(dismissed.rows, 'rejected row')} dismissed")
    show_reconciled(dismissed.reconciled, ctx)
