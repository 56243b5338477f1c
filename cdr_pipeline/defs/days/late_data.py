# pyright: reportUnknownParameterType=false
"""The job ``late_data``: exports open days whose records have changed and restates sealed ones."""

from typing import TYPE_CHECKING, Final

import dagster as dg

from cdr_pipeline.defs.failure import classified_failures
from cdr_pipeline.defs.lease import leased_context
from cdr_pipeline.defs.metadata import table
from cdr_pipeline.defs.partitions import ACCOUNTS_TAG
from cdr_pipeline.defs.pools import WAREHOUSE
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days

if TYPE_CHECKING:
    from collections.abc import Mapping

LATE_DATA: Final = "late_data"
# Actor of an automatic restatement, for the audit log.
ACTOR: Final = "rule:late_data"
_REASON: Final = "records came in after the day was sealed"
_LISTED: Final = 200


def late_data_job() -> dg.JobDefinition:
    """The job ``late_data``."""

    @dg.op(
        name="export_and_restate",
        description="Exports changed open days; writes and delivers the next version of sealed ones.",
        pool=WAREHOUSE,
    )
    def export_and_restate(context: dg.OpExecutionContext, run_contexts: dg.ResourceParam[RunContexts]) -> None:
        with classified_failures(context), leased_context(context, run_contexts) as ctx:
            accounts = _accounts(context.run.tags)
            exported = export_days(ExportRequest((), accounts), ctx)
            restated = restate_days(RestateRequest(ACTOR, _REASON, accounts=accounts), ctx)
            delivered = deliver_files(DeliverRequest(accounts=accounts), ctx)
            failed = [item.failure for item in (*exported, *restated) if item.failure is not None]
            rows = [
                *((item.business_date, item.account_id, "exported", item.file.rows) for item in exported if item.file),
                *((item.business_date, item.account_id, "failed", 0) for item in exported if not item.file),
                *((item.business_date, item.account_id, item.outcome, item.late_rows) for item in restated),
            ]
            context.add_output_metadata(
                {
                    "days_exported": sum(item.file is not None for item in exported),
                    "days_restated": sum(item.outcome == "restated" for item in restated),
                    "files_delivered": sum(item.outcome == "delivered" for item in delivered),
                    "files_not_delivered": sum(item.outcome != "delivered" for item in delivered),
                    "days_failed": len(failed),
                    "days": table(("day", "account", "outcome", "rows, or late rows"), rows[:_LISTED]),
                }
            )
            if failed:
                raise dg.Failure(
                    f"{count_of(len(failed), 'day')} could not be exported or restated; the others were",
                    metadata={"failed": table(("account", "code"), ((item.account_id, item.code) for item in failed))},
                    allow_retries=any(item.retryable for item in failed),
                )

    @dg.job(
        name=LATE_DATA,
        description="Earlier days whose records have changed: open ones are exported again, sealed ones restated.",
    )
    def late_data() -> None:
        export_and_restate()

    return late_data


def _accounts(tags: "Mapping[str, str]") -> list[str] | None:
    return [name for name in tags.get(ACCOUNTS_TAG, "").split(",") if name] or None
