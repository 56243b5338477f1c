"""Creates and opens the Dagster instance in ``DAGSTER_HOME``."""

import shutil

import dagster as dg

from cdr_pipeline.files.lock import file_lock
from cdr_pipeline.settings import Settings, bundled


def prepare_home(settings: Settings) -> None:
    """Creates ``dagster.yaml`` and the storage in DAGSTER_HOME, if they do not exist."""
    open_instance(settings).dispose()


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME, which the UI shows as well; missing parts of it are created.

    A file lock admits one process at a time: two processes that create Dagster's tables at once leave a storage that
    cannot be opened.
    """
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    with file_lock(settings.dagster_home / ".lock"):
        config = settings.dagster_home / "dagster.yaml"
        if not config.exists():
            shutil.copyfile(bundled("dagster_home") / "dagster.yaml", config)
        return dg.DagsterInstance.from_config(str(settings.dagster_home))
