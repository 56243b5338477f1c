# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# Celery has no type hints.
"""The Celery application of the workers: Dagster's own, and a step that is running is not executed a second time.

A broker delivers a task again if it is not acknowledged for some minutes: the worker may have died before it began. A
step that takes longer is delivered again although it is running. Its lease shows that, and the copy is dropped. If the
worker has died in mid-step, the coordinator of the run submits the same task again; see ``celery_run``.
"""

import logging
from typing import Any

from celery.exceptions import Ignore
from dagster_celery.app import app, execute_plan

from cdr_pipeline.defs.dagster_private import ExecuteStepArgs, unpack_value
from cdr_pipeline.defs.process import has_ended, own_process
from cdr_pipeline.errors import CdrError
from cdr_pipeline.settings import load_settings
from cdr_pipeline.steps.operations.step_leases import process_of_step
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.engine import warehouse_url

__all__ = ["app"]

_log = logging.getLogger(__name__)
_task: Any = execute_plan
_execute = _task.run


def _execute_once(execute_step_args_packed: dict[str, Any], executable_dict: dict[str, Any]) -> object:
    """Executes a step, unless another worker is executing it or has stored its result. Arguments are Dagster's.

    Raises:
        Ignore: the task is a copy. Celery acknowledges it and stores no result.
    """
    arguments = unpack_value(execute_step_args_packed, as_type=ExecuteStepArgs)
    step = (arguments.step_keys_to_execute or [""])[0]
    request = _task.request
    if request.id and _task.AsyncResult(request.id).ready():
        _log.warning("step %s of run %s has ended; its task was delivered again", step, arguments.run_id)
        raise Ignore
    if is_running_elsewhere(arguments.run_id, step):
        _log.warning("step %s of run %s is running; its task was delivered again", step, arguments.run_id)
        raise Ignore
    return _execute(execute_step_args_packed, executable_dict)


def is_running_elsewhere(run_id: str, step: str) -> bool:
    """Whether another process holds the lease of a step; False if the warehouse is down, as the step itself reports."""
    settings = load_settings()
    try:
        process = process_of_step(run_id, step, RunContext(settings, warehouse_url(settings)))
    except CdrError:
        return False
    return process is not None and process != own_process() and has_ended(process) is not True


_task.run = _execute_once
