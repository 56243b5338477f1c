"""Names that Dagster does not export. Only this module imports from ``dagster._*``; a new version is checked here."""

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final, cast

import dagster as dg
from dagster._config import process_config, validate_config
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution.context.system import PlanOrchestrationContext as PlanContext
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunRecord
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value, unpack_value
from dagster._utils.interrupts import check_captured_interrupt

__all__ = [
    "NOT_FINISHED_STATUSES",
    "AssetCheckExecutionRecordStatus",
    "AssetJob",
    "ExecuteStepArgs",
    "ExecutionPlan",
    "PlanContext",
    "RetryMode",
    "RunRecord",
    "StepDependencyConfig",
    "StepFailureData",
    "asset_partitions",
    "interruptible_waits",
    "latest_result",
    "pack_value",
    "process_config",
    "record_evaluation",
    "unpack_value",
    "validate_config",
    "was_interrupted",
]

# Time after which a wait looks for Ctrl-C.
_LOOK_SECONDS: Final = 0.2
_INTERRUPTIONS: Final = frozenset({dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__})


def record_evaluation(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation
) -> None:
    """Records the result of a check for one partition. Dagster accepts the event, its type hints do not name it."""
    context.log_event(cast("Any", evaluation))


def latest_result(instance: dg.DagsterInstance, check: dg.AssetCheckKey, partition: str) -> tuple[str, bool] | None:
    """Run of the latest result of a check for a partition, and whether it passed; None without a result."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        check,
        limit=1,
        status={AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED},
        partition_filter=PartitionKeyFilter(key=partition),
    )
    if not records:
        return None
    return records[0].run_id, records[0].status is AssetCheckExecutionRecordStatus.SUCCEEDED


def asset_partitions(
    instance: dg.DagsterInstance, key: dg.AssetKey, days: dg.PartitionsDefinition[str]
) -> tuple[set[str], set[str]]:
    """Materialized and failed partitions of an asset, as the UI shows them and "failed and missing" selects them."""
    value = get_and_update_asset_status_cache_value(instance, key, days)
    if value is None:
        return set(), set()
    materialized = value.deserialize_materialized_partition_subsets(days)
    failed = value.deserialize_failed_partition_subsets(days)
    return set(materialized.get_partition_keys()), set(failed.get_partition_keys())


@contextmanager
def interruptible_waits() -> Generator[None]:
    """While the block runs, Ctrl-C ends the wait before a step is retried; Dagster would wait to its end."""

    def wait(self: ActiveExecution) -> None:
        end = time.monotonic() + self.sleep_interval()
        while (left := end - time.monotonic()) > 0:
            if check_captured_interrupt():
                raise dg.DagsterExecutionInterruptedError
            time.sleep(min(_LOOK_SECONDS, left))

    of_dagster = ActiveExecution.sleep_til_ready
    ActiveExecution.sleep_til_ready = wait
    try:
        yield
    finally:
        ActiveExecution.sleep_til_ready = of_dagster


def was_interrupted(events: Iterable[dg.DagsterEvent]) -> bool:
    """Whether Ctrl-C or SIGTERM ended the run of these events."""
    errors = (getattr(event.event_specific_data, "error", None) for event in events)
    return any(error is not None and error.cls_name in _INTERRUPTIONS for error in errors)
