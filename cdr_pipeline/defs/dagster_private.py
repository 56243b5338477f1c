"""Names that Dagster does not export. Only this module imports from ``dagster._*``; a new version is checked here."""

from dagster._config import validate_config
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunRecord

__all__ = [
    "NOT_FINISHED_STATUSES",
    "AssetCheckExecutionRecordStatus",
    "AssetJob",
    "RunRecord",
    "StepFailureData",
    "validate_config",
]
