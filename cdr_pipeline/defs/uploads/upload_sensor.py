"""The sensor ``upload_sensor``: starts an import when there are new files in the drop folder."""

import hashlib
import json
from typing import TYPE_CHECKING, Final

import dagster as dg

from cdr_pipeline.defs.partitions import ACCOUNTS_TAG, TRIGGER_TAG
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.settings import load_settings
from cdr_pipeline.sources.uploads.waiting import DroppedFile, waiting_files

if TYPE_CHECKING:
    from cdr_pipeline.defs.dagster_private import AssetJob
    from cdr_pipeline.defs.resources import RunContexts

# With more accounts than this, the run gets no account tag and looks at all accounts.
_MOST_ACCOUNTS: Final = 20


def upload_sensor(
    days: dg.DailyPartitionsDefinition, job: "AssetJob", run_contexts: "RunContexts"
) -> dg.SensorDefinition:
    """Requests one run for all new files. A file is identified by path, size and modification time."""

    @dg.sensor(
        name="upload_sensor",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Watches the drop folder uploads/{account_id}/{profile}/ and imports new files that have not changed for "
            "CDR_UPLOAD_SETTLE_SECONDS. The run exports the open days that a file changes; the sensor late_data "
            "handles the sealed ones."
        ),
    )
    def waiting_uploads(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settings = load_settings()
        files = waiting_files(settings.upload_dir, settle_seconds=settings.upload_settle_seconds)
        if not files:
            return dg.SkipReason("no file is waiting")
        seen = _seen(context.cursor)
        new = [file for file in files if file.stamp not in seen]
        if not new:
            return dg.SkipReason(
                f"{count_of(len(files), 'file was', 'files were')} seen before: a run imports them or they were refused"
            )
        day = days.get_last_partition_key()
        if day is None:
            return dg.SkipReason("no business date has ended yet")
        run_key = hashlib.sha256("\n".join(file.stamp for file in new).encode()).hexdigest()
        tags = {TRIGGER_TAG: "upload", "cdr/files": str(len(new))} | _accounts_tag(new, run_contexts)
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=run_key, partition_key=day, tags=tags)],
            # The cursor holds only files that still exist, so that it does not grow.
            cursor=json.dumps(sorted(file.stamp for file in files)),
        )

    return waiting_uploads


def _seen(cursor: str | None) -> set[str]:
    """Stamps of the files of the last evaluation. Old cursors separate them with semicolons; new ones are JSON."""
    if not cursor:
        return set()
    return set(json.loads(cursor)) if cursor.startswith("[") else set(cursor.split(";"))


def _accounts_tag(files: list[DroppedFile], run_contexts: "RunContexts") -> dict[str, str]:
    """Tag that restricts the run to the accounts of the files; none if an account is unknown or there are too many."""
    account_ids = {file.account_id for file in files}
    ctx = run_contexts.open_without_run()
    with ctx.ledger() as ledger:
        registered = account_ids <= {account.account_id for account in ledger.accounts.all()}
    return {ACCOUNTS_TAG: ",".join(sorted(account_ids))} if registered and len(account_ids) <= _MOST_ACCOUNTS else {}
