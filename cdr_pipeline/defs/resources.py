"""The one resource: where a run's steps work. It holds no secret; settings are read where the step runs."""

import dagster as dg

from cdr_pipeline.settings import Settings, load_settings
from cdr_pipeline.steps.workplace import Clock, Workplace, utc_now


class Workplaces:
    """Opens the workplace of a run.

    Args:
        settings: fixed settings; those of the process that runs the step when omitted.
        clock: current time in UTC.
    """

    def __init__(self, settings: Settings | None = None, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock

    def open(self, context: dg.AssetExecutionContext) -> Workplace:
        """A workplace whose progress goes to the run's log."""
        settings = self._settings or load_settings()
        return Workplace.at(settings, clock=self._clock, progress=context.log.info, run_id=context.run.run_id)
