"""Outcome of a run: a run in which an account failed ends as failed, after all other work is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from cdr_pipeline.defs.failure import FAILURE_TAG, stop_run_retries
from cdr_pipeline.defs.metadata import CAUSES, FAILED_IDS
from cdr_pipeline.errors.counts import count_of

DONE_TAG: Final = "cdr/accounts_done"
FAILED_TAG: Final = "cdr/accounts_failed"
# Ids of the accounts that failed, and why, so that runs can be searched and alerts can name the cause.
FAILED_ACCOUNTS_TAG: Final = "cdr/failed_accounts"
CAUSE_TAG: Final = "cdr/cause"
# A run that did all its work succeeds, also where rows were rejected: running it again would not help. These tags say
# that its night is not good.
VERDICT_TAG: Final = "cdr/night"
REJECTED_TAG: Final = "cdr/rejected_rows"
# The daily assets in their order. The last one in a run decides how the run ends.
_ORDER: Final = (
    "api_pages", "inbound_files", "uploads", "load", "reconciliation", "daily_files", "sealed_days", "retained_records",
    "delivered_files", "night_report",
)  # fmt: skip
_LISTED: Final = 20
_CAUSE_LENGTH: Final = 250


@dataclass(frozen=True, slots=True)
class RedCheck:
    """A failed check of severity ERROR.

    Attributes:
        key: asset and name of the check.
        day: its day; "" if it concerns all days of the run.
        accounts: ids of the accounts that failed it.
        command: what to do.
        cause: accounts by cause, such as ``12 accounts: connection refused``; "" if the check knows none.
    """

    key: str
    day: str
    accounts: frozenset[str]
    command: str
    cause: str = ""


def red_checks(context: dg.AssetExecutionContext) -> list[RedCheck]:
    """Failed checks of severity ERROR that the run has recorded so far."""
    records = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    latest: dict[tuple[str, str], dg.AssetCheckEvaluation] = {}
    for record in records:
        if record.dagster_event is not None:
            evaluation = record.dagster_event.asset_check_evaluation_data
            latest[evaluation.asset_check_key.to_user_string(), evaluation.partition or ""] = evaluation
    return [
        RedCheck(
            key, day, _account_ids(evaluation.metadata), _command(evaluation.metadata), _cause(evaluation.metadata)
        )
        for (key, day), evaluation in latest.items()
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    ]


def tag_outcome(context: dg.AssetExecutionContext, accounts: int, red: Sequence[RedCheck]) -> None:
    """Tags the run with the number of accounts that are done and that failed, which ones failed, and why."""
    failed = sorted({account for check in red for account in check.accounts})
    tags = {DONE_TAG: str(max(0, accounts - len(failed))), FAILED_TAG: str(len(failed))}
    if red:
        more = f" and {len(failed) - _LISTED} more" if len(failed) > _LISTED else ""
        causes = list(dict.fromkeys(check.cause or check.key for check in red))
        tags |= {FAILED_ACCOUNTS_TAG: ",".join(failed[:_LISTED]) + more} if failed else {}
        tags |= {CAUSE_TAG: "; ".join(causes)[:_CAUSE_LENGTH]}
    context.instance.add_run_tags(context.run.run_id, tags)


def tag_verdict(context: dg.AssetExecutionContext, *, faults: Sequence[str], red: bool, rejected_rows: int) -> None:
    """Tags the run with the verdict on its nights, and with the rows that were rejected and are in no file.

    Args:
        context: context of the last step.
        faults: verdicts on the nights that are not good.
        red: whether a check of severity ERROR failed. Then ``tag_outcome`` has tagged the cause.
        rejected_rows: rows of the nights that were rejected and are in no file.
    """
    tags = {VERDICT_TAG: "not good" if faults or red else "good", REJECTED_TAG: str(rejected_rows)}
    if faults and not red:
        tags[CAUSE_TAG] = "; ".join(dict.fromkeys(faults))[:_CAUSE_LENGTH]
    context.instance.add_run_tags(context.run.run_id, tags)


def require_good_run(context: dg.AssetExecutionContext) -> None:
    """Fails the last step of a run if a check of severity ERROR has failed in any step of the run.

    Raises:
        Failure: a check failed. All steps before this one are done, and so is its own work.
    """
    if not _is_last(context):
        return
    red = red_checks(context)
    if red:
        raise failure_of(context, red)


def failure_of(context: dg.AssetExecutionContext, red: Sequence[RedCheck]) -> dg.Failure:
    """The failure that ends a run with failed checks. Dagster does not retry it: the sensor missed_nights does."""
    names = sorted({f"{check.key}{f' of {check.day}' if check.day else ''}" for check in red})
    accounts = sorted({account for check in red for account in check.accounts})
    if FAILURE_TAG not in context.run.tags:
        stop_run_retries(context, "incomplete_night")
    text = f"{count_of(len(accounts), 'account')} failed; all others are done. " if accounts else ""
    return dg.Failure(
        f"[incomplete_night] {text}Failed checks: {', '.join(names[:_LISTED])}",
        metadata={
            "code": "incomplete_night",
            "failed_accounts": ", ".join(accounts[:_LISTED]) or "none",
            "what_to_do": next((check.command for check in red if check.command), "cdr-pipeline doctor"),
        },
        allow_retries=False,
    )


def _is_last(context: dg.AssetExecutionContext) -> bool:
    """Whether no other daily asset comes after the one that this step belongs to in the run."""
    steps = [node.name for node in context.op_execution_context.job_def.graph.nodes]
    planned = [name for name in _ORDER if name in steps]
    return bool(planned) and planned[-1] == context.op_execution_context.op_handle.path[0]


def _account_ids(metadata: Mapping[str, dg.MetadataValue]) -> frozenset[str]:
    value = metadata.get(FAILED_IDS)
    return frozenset(str(value.value).split(", ")) if value is not None and value.value else frozenset()


def _cause(metadata: Mapping[str, dg.MetadataValue]) -> str:
    value = metadata.get(CAUSES)
    return str(value.value) if value is not None else ""


def _command(metadata: Mapping[str, dg.MetadataValue]) -> str:
    value = metadata.get("what_to_do")
    return str(value.value) if value is not None else ""
