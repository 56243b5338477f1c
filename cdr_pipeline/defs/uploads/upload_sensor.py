"""Starts an import when files have been dropped."""

import hashlib
import json
from typing import TYPE_CHECKING, Final

import dagster as dg

from cdr_pipeline.defs.partitions import ACCOUNTS_TAG, TRIGGER_TAG
from cdr_pipeline.settings import load_settings
from cdr_pipeline.sources.uploads.waiting import DroppedFile, waiting_files

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

    from cdr_pipeline.defs.resources import RunContexts

# A tag that names more is not read; the run then looks at all accounts.
_NAMED: Final = 20


def upload_sensor(
    days: dg.DailyPartitionsDefinition, job: "AssetJob", workplaces: "RunContexts"
) -> dg.SensorDefinition:
    """One run for the files that are new; a file is known by its place, size and time of change."""

    @dg.sensor(
        name="upload_sensor",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Watches the drop folder uploads/{account_id}/{profile}/ and imports what is new and has not changed for "
            "CDR_UPLOAD_SETTLE_SECONDS. The days that a file changes are exported by the run itself while they are "
            "open; the sensor late_data sees to the sealed ones."
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
            return dg.SkipReason(f"{len(files)} file(s) were seen before: a run has them, or they were refused")
        day = days.get_last_partition_key()
        if day is None:
            return dg.SkipReason("no business date has ended yet")
        run_key = hashlib.sha256("\n".join(file.stamp for file in new).encode()).hexdigest()
        tags = {TRIGGER_TAG: "upload", "cdr/files": str(len(new))} | _accounts_tag(new, workplaces)
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=run_key, partition_key=day, tags=tags)],
            # Files that are gone are forgotten, so that the cursor does not grow.
            cursor=json.dumps(sorted(file.stamp for file in files)),
        )

    return waiting_uploads


def _seen(cursor: str | None) -> set[str]:
    """Stamps of the last evaluation; the first version kept them in one line with semicolons between."""
    if not cursor:
        return set()
    return set(json.loads(cursor)) if cursor.startswith("[") else set(cursor.split(";"))


def _accounts_tag(files: list[DroppedFile], workplaces: "RunContexts") -> dict[str, str]:
    """The run is about these files' accounts alone, as far as they are known; an unknown one's file is refused."""
    named = {file.account_id for file in files}
    ctx = workplaces.aside()
    with ctx.ledger() as ledger:
        known = named & {account.account_id for account in ledger.accounts.all()}
    return {ACCOUNTS_TAG: ",".join(sorted(known))} if known == named and len(known) <= _NAMED else {}
