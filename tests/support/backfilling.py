"""A backfill of days in one run, in a process of its own: what a test kills.

Usage: backfilling.py FIRST LAST; settings come from the environment.
"""

import sys
import warnings

import dagster as dg

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.settings import load_settings


def backfill(first: str, last: str) -> bool:
    """The nightly job over a range of days, as the UI starts it."""
    settings = load_settings()
    warnings.simplefilter("ignore", dg.BetaWarning)
    job = build_definitions(settings, contexts=RunContexts(settings)).resolve_job_def(NIGHTLY)
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with open_instance(settings) as instance:
        return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False, run_config=quiet).success


if __name__ == "__main__":
    sys.exit(0 if backfill(*sys.argv[1:]) else 1)
