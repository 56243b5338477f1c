"""Who runs a run's steps: this process, processes of its own, Celery workers, or pods. Chosen by configuration only.

Celery and Kubernetes come as extras and are imported only when they are chosen.
"""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import dagster as dg
import yaml
from dagster._config import validate_config

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings import Settings

# Executor: the module and name that it is imported by; the extra that installs it, "" for Dagster's own.
_WHERE: Final = {
    "in_process": ("dagster", "in_process_executor", ""),
    "multiprocess": ("dagster", "multiprocess_executor", ""),
    "celery": ("dagster_celery", "celery_executor", "celery"),
    "k8s": ("dagster_k8s", "k8s_job_executor", "k8s"),
}
# Dagster quotes values and whole schemas after these words; a value may be a broker's password.
_BEFORE_VALUES: Final = re.compile(r" (?:Value|Expected)\b")


def executor_for(settings: Settings) -> dg.ExecutorDefinition:
    """The executor that ``CDR_EXECUTOR`` names, configured by the file ``CDR_EXECUTOR_CONFIG``, if any.

    Raises:
        ConfigurationError: its extra is not installed, or the file is not what the executor takes.
    """
    module, name, extra = _WHERE[settings.executor]
    try:
        executor: dg.ExecutorDefinition = getattr(importlib.import_module(module), name)
    except ImportError:
        raise ConfigurationError(
            f"CDR_EXECUTOR is {settings.executor}, and {module} is not installed",
            hint=f"python -m pip install 'cdr-pipeline[{extra}]', on every machine that runs steps",
        ) from None
    if settings.executor_config is None:
        return executor
    config = executor_config(settings.executor_config)
    _require_valid(executor, config, settings.executor_config)
    return executor.configured(config)


def executor_config(path: Path) -> dict[str, Any]:
    """What stands below ``execution: config:`` in a YAML file; ``dagster-celery worker`` reads the same file.

    Raises:
        ConfigurationError: the file cannot be read, or has no such part. Celery's worker would ignore that in silence
            and wait at the wrong broker for ever.
    """
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"CDR_EXECUTOR_CONFIG: {path.name} cannot be read: {type(error).__name__}",
            hint="'cdr-pipeline deployment write' makes one to begin with",
        ) from None
    for key in ("execution", "config"):
        found = cast("Mapping[str, Any]", found).get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f"CDR_EXECUTOR_CONFIG: {path.name} has no mapping below 'execution: config:'",
            hint="write broker, backend and so on below these two keys; anywhere else they are ignored",
        )
    return dict(cast("Mapping[str, Any]", found))


def _require_valid(executor: dg.ExecutorDefinition, config: dict[str, Any], path: Path) -> None:
    """Names what is wrong now: Dagster would say so when the first run starts, at night. Values are not quoted."""
    checked = validate_config(executor.config_schema.config_type, config)
    if not checked.success:
        wrong = "; ".join(_BEFORE_VALUES.split(error.message, 1)[0] for error in checked.errors or [])
        raise ConfigurationError(
            f"CDR_EXECUTOR_CONFIG: {path.name} is not a configuration of the executor {executor.name}: {wrong}",
            hint="the keys are those of Dagster's executor of that name",
        )
