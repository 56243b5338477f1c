"""Runs that Dagster takes for running though their process is gone: they hold places in pools, and nights wait."""

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord

from cdr_pipeline.defs.process import PROCESS_TAG, is_gone

_BEFORE_START: Final = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_ACTIVE: Final = [*_BEFORE_START, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
# A run that changes processes between two steps says nothing for a few seconds.
QUIET: Final = timedelta(minutes=1)
# A run of which no process has been heard yet may still be starting.
_STARTING: Final = timedelta(minutes=15)


def dead_runs(instance: dg.DagsterInstance, now: datetime, quiet: timedelta) -> list[RunRecord]:
    """Runs that Dagster takes for running though their process is gone, on this machine.

    A run of another machine is left alone: nothing is known about its processes here.
    """
    return [
        record
        for record in instance.get_run_records(dg.RunsFilter(statuses=_ACTIVE))
        if _is_dead(record, now - record.update_timestamp.astimezone(UTC), quiet)
    ]


def _is_dead(record: RunRecord, silent: timedelta, quiet: timedelta) -> bool:
    process = record.dagster_run.tags.get(PROCESS_TAG)
    if process is None:
        # One that has started says its process with its first step, which may be waiting for its place in a pool.
        return record.dagster_run.status in _BEFORE_START and silent > _STARTING
    return silent >= quiet and is_gone(process) is True


def end_run(instance: dg.DagsterInstance, record: RunRecord) -> None:
    """Says that the run has ended, canceled where that was asked for or failed. Its places in pools are freed."""
    if record.dagster_run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(record.dagster_run, "Its process is gone; it was ended from outside.")
    else:
        instance.report_run_failed(record.dagster_run, "Its process is gone; it was ended from outside.")
    instance.event_log_storage.free_concurrency_slots_for_run(record.dagster_run.run_id)
