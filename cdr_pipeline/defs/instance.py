"""Dagster's instance folder."""

import shutil

import dagster as dg

from cdr_pipeline.files.lock import file_lock
from cdr_pipeline.settings import Settings, bundled


def prepare_home(settings: Settings) -> None:
    """Makes DAGSTER_HOME usable for any process: its dagster.yaml (the shipped one unless there is one) and storage."""
    open_instance(settings).dispose()


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME, the one that the UI shows; whatever is missing of it is made.

    One process at a time: two that make Dagster's tables at once leave a storage that none can open any more.
    """
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    with file_lock(settings.dagster_home / ".lock"):
        config = settings.dagster_home / "dagster.yaml"
        if not config.exists():
            shutil.copyfile(bundled("dagster_home") / "dagster.yaml", config)
        return dg.DagsterInstance.from_config(str(settings.dagster_home))
