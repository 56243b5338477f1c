"""The sensor ``inbound_sensor``: starts a fetch when a place of inbound.toml has new or changed files."""

import hashlib
import json
from typing import TYPE_CHECKING

import dagster as dg

from cdr_pipeline.defs.partitions import TRIGGER_TAG
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.settings import load_settings
from cdr_pipeline.sources.inbound.places import load_places
from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files

if TYPE_CHECKING:
    from cdr_pipeline.defs.dagster_private import AssetJob
    from cdr_pipeline.defs.resources import RunContexts

_PAUSE_SECONDS = 300


def inbound_sensor(
    days: dg.DailyPartitionsDefinition, job: "AssetJob", run_contexts: "RunContexts"
) -> dg.SensorDefinition:
    """Requests one run for all new files. A file is identified by place, path, size and time."""

    @dg.sensor(
        name="inbound_sensor",
        job=job,
        minimum_interval_seconds=_PAUSE_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Looks at the places of inbound.toml every five minutes, and requests one run for files that are new or "
            "changed. A file that a run refused is not requested again before it changes; nights try it again."
        ),
    )
    def new_inbound_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not load_places(load_settings().inbound_file):
            return dg.SkipReason("inbound.toml has no places")
        results = fetch_files(FetchRequest(dry_run=True), run_contexts.open_without_run())
        failed = [result for result in results if result.code]
        for result in failed:
            context.log.warning("[%s] %s", result.code, result.message)
        seen = set[str](json.loads(context.cursor)) if context.cursor else set[str]()
        # Files of a place that failed now are not new when it works again.
        away = {result.place for result in failed}
        kept = {stamp for stamp in seen if stamp.partition("|")[0] in away}
        shown = {
            f"{file.place}|{file.path}|{file.stamp}"
            for result in results
            for file in result.files
            if file.outcome == "would_fetch"
        }
        cursor = json.dumps(sorted(shown | kept))
        new = sorted(shown - seen)
        day = days.get_last_partition_key()
        if not new or day is None:
            context.update_cursor(cursor)
            reason = f"{count_of(len(shown), 'file was', 'files were')} requested before" if shown else "no new file"
            return dg.SkipReason(reason + (f"; {count_of(len(failed), 'place')} failed" if failed else ""))
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=hashlib.sha256("\n".join(new).encode()).hexdigest(),
                    partition_key=day,
                    tags={TRIGGER_TAG: "inbound", "cdr/files": str(len(new))},
                )
            ],
            cursor=cursor,
        )

    return new_inbound_files
