"""Check-up of the whole installation: definitions, warehouse, nightly runs, Dagster's runs and its daemon."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

import dagster as dg

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.coordinator import COORDINATOR
from cdr_pipeline.defs.dagster_private import RunRecord
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.operations.dead_runs import QUIET, DeadStep, dead_runs, dead_steps, end_run
from cdr_pipeline.defs.operations.stalled_runs import Stalled, StalledRun, stalled_runs
from cdr_pipeline.defs.partitions import ACCOUNTS_TAG, PARTITION_TAG
from cdr_pipeline.errors import DagsterStorageError
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.sealed_files import check_sealed_files
from cdr_pipeline.steps.operations.data_folder import check_place
from cdr_pipeline.steps.operations.health import (
    END_DEAD_RUNS,
    RUN_WITHOUT_PROCESS,
    Problem,
    clocks_broken,
    find_problems,
)
from cdr_pipeline.steps.operations.health.problem import A_WEEK, Subject
from cdr_pipeline.steps.operations.step_leases import expired_leases, forget_leases
from cdr_pipeline.steps.run_context import Clock, RunContext, utc_now
from cdr_pipeline.warehouse.ledger import SealedFile
from cdr_pipeline.warehouse.operations.leases import ExpiredLease

_HEARTBEAT: Final = timedelta(minutes=3)
_FAILED: Final = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
# Runs of nights that are looked at.
_MOST_RUNS: Final = 200


@dataclass(frozen=True, slots=True)
class CheckUp:
    """Result of a check-up.

    Attributes:
        problems: problems that remain.
        fixed: problems that the check-up fixed.
        lost: sealed files recorded as lost, each with the version that replaces it and the command that looks for a
            copy. A person has decided about them, so they are not problems.
    """

    problems: tuple[Problem, ...]
    fixed: tuple[Problem, ...]
    lost: tuple[Problem, ...] = ()


def check_up(settings: Settings, *, fix: bool, clock: Clock = utc_now, quiet: timedelta | None = None) -> CheckUp:
    """Looks for problems; with ``fix`` ends the dead runs.

    Args:
        settings: settings of this process.
        fix: whether to end dead runs; otherwise the check-up changes nothing.
        clock: returns the current time in UTC.
        quiet: time without an event after which the process of a run is checked; None for ``QUIET``.

    Raises:
        WarehouseError: the warehouse cannot be used.
        StoreError: the object store of the data folder cannot be used.
    """
    dg.Definitions.validate_loadable(build_definitions(settings))
    check_place(settings)
    ctx = RunContext.open(settings, clock=clock)
    gone, failed, orchestration = _runs_and_daemon(ctx, fix=fix, quiet=QUIET if quiet is None else quiet)
    lost = tuple(map(_lost_file, check_sealed_files(ctx).lost))
    with ctx.ledger() as ledger:
        # Only the check-up requests the clock of the switch; find_problems compares the clock of the warehouse.
        no_accounts = [] if ledger.accounts.active() else [_no_accounts(settings, clock())]
        switch_clock = [item for item in clocks_broken(ledger, ctx, ask_switch=True) if "switch" in item.what]
    found = find_problems(ctx, late_after=timedelta(), runs=False)
    named = {item.subject.business_date for item in found if item.subject.kind == "night"}
    cut = [item for item in failed if item.subject.business_date not in named]
    problems = [*no_accounts, *switch_clock, *found, *cut, *orchestration]
    if not fix:
        return CheckUp((*gone, *problems), (), lost)
    return CheckUp(tuple(problems), tuple(gone), lost)


def _runs_and_daemon(
    ctx: RunContext, *, fix: bool, quiet: timedelta
) -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Runs that never end by themselves, which ``fix`` ends, nights that failed, and problems of Dagster itself.

    The rest is checked even if the storage of Dagster cannot be used.
    """
    settings = ctx.settings
    try:
        with open_instance(settings) as instance:
            silent = dead_steps(instance, expired_leases(ctx), ctx)
            known = {step.record.dagster_run.run_id for step in silent}
            dead = [
                run
                for run in dead_runs(instance, ctx.clock(), quiet, processes=settings.executor == "in_process")
                if run.dagster_run.run_id not in known
            ]
            stalled = stalled_runs(instance, ctx)
            if fix:
                for record in (*dead, *(found.record for found in (*silent, *stalled.lost))):
                    end_run(instance, record)
                    forget_leases(record.dagster_run.run_id, ctx)
            gone = [*map(_dead_run_problem, dead), *map(_dead_step_problem, silent), *map(_lost_task, stalled.lost)]
            failed = list(failed_nights(instance, ctx))
            return gone, failed, [*_workers_problems(stalled, ctx), *_daemon_problem(instance, ctx.clock())]
    except DagsterStorageError as error:
        command = f"mkdir DAMAGED && mv {settings.dagster_home}/history {settings.dagster_home}/schedules DAMAGED"
        return [], [], [Problem(error.message, error.code, ctx.clock(), command)]


def failed_nights(instance: dg.DagsterInstance, ctx: RunContext) -> Iterator[Problem]:
    """Nights of the last week whose newest run failed before every account was collected.

    The warehouse knows nothing of a run that was killed, or found a full disk, before it began to collect.
    """
    records = instance.get_run_records(
        dg.RunsFilter(job_name=NIGHTLY, created_after=ctx.clock() - A_WEEK), limit=_MOST_RUNS
    )
    newest: dict[date, RunRecord] = {}
    for record in records:
        if day := record.dagster_run.tags.get(PARTITION_TAG):
            newest.setdefault(date.fromisoformat(day), record)
    for day, record in sorted(newest.items()):
        if record.dagster_run.status not in _FAILED:
            continue
        only = [item for item in record.dagster_run.tags.get(ACCOUNTS_TAG, "").split(",") if item]
        with ctx.ledger() as ledger:
            accounts = [
                account.account_id for account in ledger.accounts.active() if account.account_id in only or not only
            ]
            whole = {item.account_id for item in ledger.days.status(accounts, day, day) if item.complete_through}
        if missing := set(accounts) - whole:
            left = count_of(len(missing), "account is", "accounts are")
            yield Problem(
                f"night of {day}: its last run failed, and {left} not collected",
                "night_incomplete",
                record.create_timestamp.astimezone(UTC),
                f"cdr-pipeline nightly --date {day}" + "".join(f" --account {item}" for item in only),
                str(day),
                subject=Subject("night", business_date=day),
            )


def _no_accounts(settings: Settings, now: datetime) -> Problem:
    command = "cdr-pipeline accounts add ACCOUNT" if settings.api_url is None else "cdr-pipeline accounts sync"
    return Problem("no account is registered: no night collects anything", "no_accounts", now, command)


def _lost_file(file: SealedFile) -> Problem:
    return Problem(
        f"account {file.account_id}: {PurePosixPath(file.path).name}: recorded as lost, replaced by version "
        f"{file.day_version}",
        "sealed_file_lost",
        file.lost_at or file.fault_since or datetime.min.replace(tzinfo=UTC),
        f"cdr-pipeline days repair --account {file.account_id} --date {file.business_date}",
    )


def _dead_run_problem(record: RunRecord) -> Problem:
    return Problem(
        f"{_name_of_run(record)} is listed as {record.dagster_run.status.value.lower()}, but its process is gone",
        RUN_WITHOUT_PROCESS,
        record.update_timestamp.astimezone(UTC),
        END_DEAD_RUNS,
    )


def _dead_step_problem(step: DeadStep) -> Problem:
    return Problem(
        f"{_name_of_run(step.record)}: its {_name_of(step.lease)} gives no sign of life",
        RUN_WITHOUT_PROCESS,
        step.lease.renewed_at.astimezone(UTC),
        END_DEAD_RUNS,
    )


def _lost_task(run: StalledRun) -> Problem:
    return Problem(
        f"{_name_of_run(run.record)} waits for its step {run.step}, but the broker has no task of it and no worker "
        "runs it; was Redis restarted without 'appendonly yes'?",
        "run_without_task",
        run.since,
        END_DEAD_RUNS,
    )


def _workers_problems(stalled: Stalled, ctx: RunContext) -> Iterator[Problem]:
    """Problems that keep workers from steps."""
    if stalled.broker is not None and stalled.broker.error:
        yield Problem(
            f"the broker of the workers cannot be used ({stalled.broker.error}): no step is distributed",
            "broker_unavailable",
            ctx.clock(),
            "systemctl restart redis-server",
        )
    command = "kubectl get pods" if ctx.settings.executor == "k8s" else "systemctl start cdr-worker@one"
    for run in stalled.runs:
        if not run.lost:
            yield Problem(
                f"{_name_of_run(run.record)} waits for its step {run.step}, and no worker takes it",
                "no_worker",
                run.since,
                command,
            )


def _name_of_run(record: RunRecord) -> str:
    run = record.dagster_run
    day = run.tags.get(PARTITION_TAG)
    return f"run {run.run_id} of {run.job_name}{f' for {day}' if day else ''}"


def _name_of(lease: ExpiredLease) -> str:
    name = lease.step if lease.step == COORDINATOR else f"step {lease.step}"
    return f"{name} on {lease.host}" if lease.host else name


def _daemon_problem(instance: dg.DagsterInstance, now: datetime) -> Iterator[Problem]:
    """A problem if the daemon that runs schedules and sensors has stopped; none if it was never started."""
    heartbeats = [
        status.last_heartbeat.timestamp for status in instance.get_daemon_statuses().values() if status.last_heartbeat
    ]
    if not heartbeats:
        return
    last = datetime.fromtimestamp(max(heartbeats), UTC)
    if now - last > _HEARTBEAT:
        yield Problem("the daemon that runs schedule and sensors does not run", "daemon_down", last, "cdr-pipeline up")
