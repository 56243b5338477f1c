"""Dagster executors: in-process, multiprocess, Celery or Kubernetes, chosen by configuration.

Celery and Kubernetes are optional extras and are imported only when they are chosen.
"""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import dagster as dg
import yaml

from cdr_pipeline.defs.dagster_private import process_config, validate_config
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings import Settings

# Executor: module, name in it, and the extra that installs it ("" for the executors of Dagster itself).
_IMPORTS: Final = {
    "in_process": ("dagster", "in_process_executor", ""),
    "multiprocess": ("dagster", "multiprocess_executor", ""),
    "celery": ("dagster_celery", "celery_executor", "celery"),
    "k8s": ("dagster_k8s", "k8s_job_executor", "k8s"),
}
# Dagster's messages quote values and schemas after these words. A value can be the password of a broker.
_BEFORE_VALUES: Final = re.compile(r" (?:Value|Expected)\b")


def executor_for(settings: Settings) -> dg.ExecutorDefinition:
    """The executor that ``CDR_EXECUTOR`` names, configured by the file ``CDR_EXECUTOR_CONFIG``, if any.

    Raises:
        ConfigurationError: the extra of the executor is not installed, or the file does not fit its config schema.
    """
    module, name, extra = _IMPORTS[settings.executor]
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


def evaluated_config(settings: Settings) -> dict[str, Any]:
    """The config of the executor with its defaults and the values of the environment variables that it names.

    Raises:
        ConfigurationError: as ``executor_for``; or the file names an environment variable that is not set.
    """
    module, name, _ = _IMPORTS[settings.executor]
    executor: dg.ExecutorDefinition = getattr(importlib.import_module(module), name)
    config = {} if settings.executor_config is None else executor_config(settings.executor_config)
    result = process_config(executor.config_schema.config_type, config)
    if not result.success or result.value is None:
        raise ConfigurationError(
            f"CDR_EXECUTOR_CONFIG: a value of the executor {executor.name} cannot be read",
            hint="set the environment variables that the file names",
        )
    return dict(result.value)


def executor_config(path: Path) -> dict[str, Any]:
    """The mapping below ``execution: config:`` in a YAML file; ``dagster-celery worker`` reads the same file.

    Raises:
        ConfigurationError: the file cannot be read or has no such mapping. A Celery worker silently ignores such a
            file and waits at the default broker.
    """
    try:
        node = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"CDR_EXECUTOR_CONFIG: {path.name} cannot be read: {type(error).__name__}",
            hint="'cdr-pipeline deployment write' makes one to begin with",
        ) from None
    for key in ("execution", "config"):
        node = cast("Mapping[str, Any]", node).get(key) if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping):
        raise ConfigurationError(
            f"CDR_EXECUTOR_CONFIG: {path.name} has no mapping below 'execution: config:'",
            hint="write broker, backend and so on below these two keys; anywhere else they are ignored",
        )
    return dict(cast("Mapping[str, Any]", node))


def _require_valid(executor: dg.ExecutorDefinition, config: dict[str, Any], path: Path) -> None:
    """Checks the config when the definitions load. Dagster checks it only when a run starts.

    The error names the wrong keys and never quotes values.
    """
    result = validate_config(executor.config_schema.config_type, config)
    if not result.success:
        wrong = "; ".join(_BEFORE_VALUES.split(error.message, 1)[0] for error in result.errors or [])
        raise ConfigurationError(
            f"CDR_EXECUTOR_CONFIG: {path.name} is not a configuration of the executor {executor.name}: {wrong}",
            hint="the keys are those of Dagster's executor of that name",
        )
