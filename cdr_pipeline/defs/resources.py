"""The one resource: where a run's steps work. It holds no secret; settings are read where the step runs."""

from datetime import datetime

import dagster as dg

from cdr_pipeline.defs.process import PROCESS_TAG, own_process
from cdr_pipeline.defs.progress import PacedProgress
from cdr_pipeline.settings import Settings, load_settings
from cdr_pipeline.steps.run_context import Clock, RunContext, utc_now

_Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext


class RunContexts:
    """Opens the workplace of a run.

    Args:
        settings: fixed settings; those of the process that runs the step when omitted.
        clock: current time in UTC.
    """

    def __init__(self, settings: Settings | None = None, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock

    def open(self, context: _Context) -> RunContext:
        """A workplace whose progress goes to the run's log; the run learns which process executes it."""
        settings = self._settings or load_settings()
        context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: own_process()})
        return RunContext.open(
            settings, clock=self._clock, progress=PacedProgress(context.log.info), run_id=context.run.run_id
        )

    def now(self) -> datetime:
        """Current time in UTC."""
        return self._clock()

    def aside(self) -> RunContext:
        """A workplace outside of any run: for sensors, which only look."""
        return RunContext.open(self._settings or load_settings(), clock=self._clock)
