"""Environment variables for child processes."""

import os
from pathlib import Path

from cdr_pipeline.settings.settings import Settings

# Set for worker processes, not by operators.
_WORKERS = "_CDR_SERVE_WORKERS"
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def subprocess_environment(settings: Settings) -> dict[str, str]:
    """Environment for a child process that needs the same settings, DAGSTER_HOME included."""
    return dict(os.environ) | {
        "DAGSTER_HOME": str(settings.dagster_home),
        "CDR_DATA_DIR": str(settings.data_dir),
    }


def share_metrics(folder: Path, workers: int) -> None:
    """Sets the number of API workers and the folder of their shared metrics in the environment of child processes."""
    os.environ[_METRICS_FOLDER] = str(folder)
    os.environ[_WORKERS] = str(workers)


def worker_count() -> int:
    """Number of API workers that ``share_metrics`` has set; 1 by default."""
    return int(os.environ.get(_WORKERS, "1"))
