"""The one resource: a workplace, made from the settings of the process that runs the step."""

from typing import Any

import dagster as dg

from cdr_pipeline.settings import load_settings
from cdr_pipeline.steps.workplace import Workplace


class WorkplaceResource(dg.ConfigurableResource[Any]):
    """Opens the warehouse for a step. Holds no secret: settings are read where the step runs."""

    def open(self, context: dg.AssetExecutionContext) -> Workplace:
        """The workplace of a run; its progress goes to the run's log."""
        return Workplace.at(load_settings(), progress=context.log.info, run_id=context.run_id)
