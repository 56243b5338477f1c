"""Dagster's instance folder."""

import shutil

import dagster as dg

from cdr_pipeline.settings import Settings, bundled


def prepare_home(settings: Settings) -> None:
    """Makes DAGSTER_HOME usable: the folder exists and holds a dagster.yaml, the shipped one unless there is one."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = settings.dagster_home / "dagster.yaml"
    if not config.exists():
        shutil.copyfile(bundled("dagster_home") / "dagster.yaml", config)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME, the one that the UI shows."""
    prepare_home(settings)
    return dg.DagsterInstance.from_config(str(settings.dagster_home))
