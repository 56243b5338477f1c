"""The end of commands that load an upload: daily files written, and exit codes."""

from typing import TYPE_CHECKING

from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.steps.days.export_days import ExportedDay
    from cdr_pipeline.steps.reconciliation.reconcile_day import ReconciledDay
    from cdr_pipeline.steps.run_context import RunContext
    from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload


def finish_upload(loaded: "LoadedUpload", exported: "Sequence[ExportedDay]", ctx: "RunContext") -> None:
    """Prints how many daily files were written.

    Raises:
        ExportError: a day's files were not written.
        RowsRejected: rows of the upload were rejected and are still to be corrected.
    """
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.steps.days.export_days import require_exported
    from cdr_pipeline.steps.uploads.exported_upload import require_no_rejects

    written = sum(item.file is not None for item in exported)
    if written:
        out.print(f"{count_of(written, 'daily file')} written below {ctx.settings.export_dir}")
    require_exported(exported)
    require_no_rejects(loaded)


def show_reconciled(days: "Sequence[ReconciledDay]", ctx: "RunContext") -> None:
    """Prints the verdicts of days that were reconciled again.

    Raises:
        IncompleteNight: a carrier's day could not be reconciled.
    """
    from cdr_pipeline.cli.reports import titles
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.errors import IncompleteNight

    for item in (item for day in days for item in day.carriers):
        day = item.kept.day
        account = titles([day.account_id], ctx)
        out.print(
            f"reconciled again: {day.business_date} {account} {day.carrier}: {item.light}", markup=False, soft_wrap=True
        )
    failures = [failure for day in days for failure in day.failures]
    if failures:
        causes = "; ".join(f"{failure.account_id}: [{failure.code}] {failure.message}" for failure in failures)
        raise IncompleteNight(
            causes, hint="fix the cause, then 'cdr-pipeline reconcile --date DAY'; the rows are stored"
        )
