"""Runs the nightly job in this process, in the instance that the UI shows."""

import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import dagster as dg

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.coordinator import COORDINATOR
from cdr_pipeline.defs.dagster_private import interruptible_waits, was_interrupted
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.outcome import CAUSE_TAG
from cdr_pipeline.defs.partitions import ACCOUNTS_TAG, REPLAY_TAG, business_days
from cdr_pipeline.defs.process import PROCESS_TAG, own_process
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import ConfigurationError, IncompleteNight
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.step_leases import kept_run_lease
from cdr_pipeline.steps.run_context import Progress, RunContext
from cdr_pipeline.warehouse.operations.leases import RunningStep

if TYPE_CHECKING:
    from cdr_pipeline.defs.dagster_private import StepFailureData

# Keeps Dagster from printing every event to the terminal; the UI shows them.
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


_CLASS_OF_ERROR: Final = re.compile(r"^(?:(?:[A-Za-z_]\w*\.)+\w+|\w+(?:Failure|Error|Exception)): ")


@dataclass(frozen=True, slots=True)
class Night:
    """Result of a nightly run.

    Attributes:
        run_id: id of the Dagster run.
        succeeded: whether every step succeeded.
        failed_checks: ``asset: check`` of each failed check of severity ERROR.
        seconds: duration in seconds of wall-clock time.
        step_seconds: duration in seconds of each step that succeeded, by step.
        step_errors: error message of each step that failed, by step.
        cause: accounts that failed by cause; empty if none failed.
    """

    run_id: str
    succeeded: bool
    failed_checks: tuple[str, ...]
    seconds: float
    step_seconds: dict[str, float]
    step_errors: dict[str, str]
    cause: str = ""

    @property
    def whole(self) -> bool:
        """Whether every step succeeded and no check of severity ERROR failed."""
        return self.succeeded and not self.failed_checks

    def require_whole(self) -> None:
        """Raises IncompleteNight with the failed checks and steps, if there are any."""
        if not self.whole:
            errors = [f"{step}: {message}" for step, message in self.step_errors.items()]
            failed = "; ".join([*self.failed_checks, *errors])
            checks = f"; red: {', '.join(self.failed_checks)}" if self.cause and self.failed_checks else ""
            raise IncompleteNight(
                f"the night is not whole: {self.cause or failed}{checks} (run {self.run_id})",
                hint="'cdr-pipeline doctor' has the command that fixes each part; 'cdr-pipeline ui' shows the run",
                run_id=self.run_id,
                cause=self.cause or failed,
            )


def run_night(
    business_date: date,
    settings: Settings,
    *,
    accounts: Sequence[str] | None = None,
    replay: bool = False,
    progress: Progress | None = None,
) -> Night:
    """Runs the job ``nightly`` for one business date.

    Raises:
        ConfigurationError: no switch is configured, no account is registered, or the date has no partition. No run is
            started.
        WarehouseError: the warehouse cannot be used. No run is started.
        KeyboardInterrupt: Ctrl-C ended the run, which is then a failed one.
    """
    key = business_date.isoformat()
    if not business_days(settings).has_partition_key(key):
        raise ConfigurationError(
            f"{key} is not between CDR_FIRST_DATE ({settings.first_date}) and yesterday in {settings.time_zone}",
            hint="set CDR_FIRST_DATE to an earlier day, or wait until the day has ended",
        )
    if settings.api_url is None and not replay:
        raise ConfigurationError(
            "CDR_API_URL is not set: there is no switch to collect from",
            hint="set it and CDR_API_KEY, CDR_API_USER or CDR_API_TOKEN; see 'cdr-pipeline config check'",
        )
    # A warehouse that cannot be used is an error of its own, and leaves no failed run behind.
    with RunContext.open(settings).ledger() as ledger:
        if not ledger.accounts.active():
            raise ConfigurationError(
                "no account is registered: there is nothing to collect",
                hint="'cdr-pipeline accounts sync' reads them from the switch, 'cdr-pipeline accounts add ID' adds one",
            )
    tags = {PROCESS_TAG: own_process()} | ({ACCOUNTS_TAG: ",".join(accounts)} if accounts else {})
    if replay:
        tags[REPLAY_TAG] = "true"
    # The job runs in this process. The executor of the code location is for runs that the daemon starts.
    here = settings.model_copy(update={"executor": "in_process", "executor_config": None})
    definitions = build_definitions(here, contexts=RunContexts(settings, progress=progress))
    job = definitions.resolve_job_def(NIGHTLY)
    started_at = time.monotonic()
    with open_instance(settings) as instance:
        if progress:
            progress("collect, import, merge, export")
        run_id = str(uuid.uuid4())
        # Other machines see that this process lives, also between two steps.
        lease = kept_run_lease(RunningStep(run_id, COORDINATOR, own_process()), lambda: RunContext.open(settings))
        with lease, interruptible_waits():
            result = job.execute_in_process(
                instance=instance, partition_key=key, tags=tags, raise_on_error=False, run_config=_QUIET, run_id=run_id
            )
        if was_interrupted(result.all_events):
            raise KeyboardInterrupt
        run = instance.get_run_by_id(result.run_id)
    return Night(
        run_id=result.run_id,
        succeeded=result.success,
        failed_checks=tuple(
            f"{check.asset_key.to_user_string()}: {check.check_name}"
            for check in result.get_asset_check_evaluations()
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
        ),
        seconds=time.monotonic() - started_at,
        step_seconds={
            event.step_key or "": event.step_success_data.duration_ms / 1000
            for event in result.all_events
            if event.event_type is dg.DagsterEventType.STEP_SUCCESS
        },
        step_errors={
            event.step_key or "": _innermost_message(event.step_failure_data)
            for event in result.all_events
            if event.event_type is dg.DagsterEventType.STEP_FAILURE
        },
        cause=run.tags.get(CAUSE_TAG, "") if run is not None else "",
    )


def _innermost_message(failure: "StepFailureData") -> str:
    """First line of the message of the innermost error."""
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "failed"
    text = error.message.strip().splitlines()[0]
    # Dagster puts the class of the error before its message.
    return redact(_CLASS_OF_ERROR.sub("", text))
