"""The resource that opens the context of a run. It contains no secrets; the process of the step reads the settings."""

from datetime import datetime

import dagster as dg

from cdr_pipeline.defs.process import PROCESS_TAG, own_process
from cdr_pipeline.defs.progress import PacedProgress
from cdr_pipeline.settings import Settings, load_settings
from cdr_pipeline.steps.run_context import Clock, Progress, RunContext, utc_now

_Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext


class RunContexts:
    """Opens run contexts.

    Args:
        settings: fixed settings; when omitted, the process that runs the step reads its own.
        clock: returns the current time in UTC.
        progress: callback that receives the steps' progress too, for the person who started them.
    """

    def __init__(
        self, settings: Settings | None = None, clock: Clock = utc_now, progress: Progress | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._progress = progress

    def open(self, context: _Context) -> RunContext:
        """The context of a run. Its progress goes to the log of the run, and the run is tagged with its process."""
        settings = self._settings or load_settings()
        if context.run.tags.get(PROCESS_TAG) != own_process():
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: own_process()})
        logged = PacedProgress(context.log.info)
        shown = self._progress

        def progress(text: str) -> None:
            logged(text)
            if shown is not None:
                shown(text)

        return RunContext.open(settings, clock=self._clock, progress=progress, run_id=context.run.run_id)

    def settings(self) -> Settings:
        """The fixed settings, else those of this process."""
        return self._settings or load_settings()

    def now(self) -> datetime:
        """Current time in UTC."""
        return self._clock()

    def open_without_run(self) -> RunContext:
        """A context outside any run, for sensors, which only read."""
        return RunContext.open(self._settings or load_settings(), clock=self._clock)
