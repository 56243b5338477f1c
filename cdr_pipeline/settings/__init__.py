"""Settings from environment variables ``CDR_*`` and an optional ``.env`` file, in one section for each topic.

Entry points load the settings once and pass them down. Only this package reads the environment. An environment variable
takes precedence over the ``.env`` file of the working directory, which takes precedence over the default.
"""

from cdr_pipeline.settings.folders import bundled
from cdr_pipeline.settings.processes import share_metrics, subprocess_environment, worker_count
from cdr_pipeline.settings.reading import SettingReport, inspect_settings, load_settings
from cdr_pipeline.settings.settings import PREFIX, Settings, variable_of

__all__ = [
    "PREFIX",
    "SettingReport",
    "Settings",
    "bundled",
    "inspect_settings",
    "load_settings",
    "share_metrics",
    "subprocess_environment",
    "variable_of",
    "worker_count",
]
