"""Writes the daily files of days that an upload may have changed, and raises what its result leaves open."""

from cdr_pipeline.errors import RowsRejected
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.days.export_days import ExportedDay, ExportRequest, export_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload


def export_upload(loaded: LoadedUpload, ctx: RunContext) -> list[ExportedDay]:
    """Writes the files of the account's open days whose records have changed. Files of sealed days do not change."""
    return export_account(loaded.account_id, ctx)


def export_account(account_id: str, ctx: RunContext) -> list[ExportedDay]:
    """Writes the files of an account's open days whose records have changed."""
    return export_days(ExportRequest((), [account_id]), ctx)


def require_no_rejects(loaded: LoadedUpload) -> None:
    """Raises RowsRejected when rows of the upload were rejected and are still to be corrected."""
    rejected = loaded.open_rejects
    if rejected:
        upload = f"{loaded.sha256[:12]} --account {loaded.account_id}"
        raise RowsRejected(
            f"{count_of(rejected, 'row')} of {loaded.file_name} rejected; the others are stored",
            hint=f"cdr-pipeline rejects export {upload} --out FILE; correct FILE, then: cdr-pipeline rejects replay "
            f"FILE; lines that are no calls: cdr-pipeline rejects dismiss {upload} --by NAME --reason WHY",
        )
