"""A check-up of everything at once: definitions, warehouse, nights, and Dagster's own runs and daemon."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.operations.dead_runs import QUIET, dead_runs, end_run
from cdr_pipeline.defs.partitions import PARTITION_TAG
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.sealed_files import check_sealed_files
from cdr_pipeline.steps.operations.health import Problem, clocks_broken, find_problems
from cdr_pipeline.steps.run_context import Clock, RunContext, utc_now

_HEARTBEAT: Final = timedelta(minutes=3)
_MEND: Final = "cdr-pipeline doctor --fix"


@dataclass(frozen=True, slots=True)
class CheckUp:
    """What a check-up found, and what of it was mended on the way."""

    broken: tuple[Problem, ...]
    mended: tuple[Problem, ...]


def check_up(settings: Settings, *, mend: bool, clock: Clock = utc_now, quiet: timedelta = QUIET) -> CheckUp:
    """Looks at everything; with ``mend`` ends the runs whose process is gone.

    Args:
        settings: of this process.
        mend: whether to change anything at all.
        clock: current time in UTC.
        quiet: how long a run must have said nothing.

    Raises:
        WarehouseError: the warehouse cannot be used.
    """
    dg.Definitions.validate_loadable(build_definitions(settings))
    ctx = RunContext.open(settings, clock=clock)
    with open_instance(settings) as instance:
        dead = [(record, _as_broken(record)) for record in dead_runs(instance, clock(), quiet)]
        if mend:
            for record, _ in dead:
                end_run(instance, record)
        check_sealed_files(ctx)
        with ctx.ledger() as ledger:
            # The switch is asked for its clock only here; the warehouse's was compared with the rest.
            switch_clock = [item for item in clocks_broken(ledger, ctx, ask_switch=True) if "switch" in item.what]
        found = [*switch_clock, *find_problems(ctx), *_daemon(instance, clock())]
    gone = tuple(broken for _, broken in dead)
    return CheckUp(tuple(found) if mend else (*gone, *found), gone if mend else ())


def _as_broken(record: RunRecord) -> Problem:
    run = record.dagster_run
    day = run.tags.get(PARTITION_TAG)
    return Problem(
        f"run {run.run_id} of {run.job_name}{f' for {day}' if day else ''} is listed as {run.status.value.lower()}, "
        "but its process is gone",
        "run_without_process",
        record.update_timestamp.astimezone(UTC),
        _MEND,
    )


def _daemon(instance: dg.DagsterInstance, now: datetime) -> Iterator[Problem]:
    """Whether the daemon that runs schedules and sensors is alive; one that was never started is nobody's trouble."""
    beats = [
        status.last_heartbeat.timestamp for status in instance.get_daemon_statuses().values() if status.last_heartbeat
    ]
    if not beats:
        return
    last = datetime.fromtimestamp(max(beats), UTC)
    if now - last > _HEARTBEAT:
        yield Problem("the daemon that runs schedule and sensors does not run", "daemon_down", last, "cdr-pipeline up")
