"""Current problems, each with its start and the command that fixes it, read from the ledger.

A module of this package checks one kind of thing; ``find_problems`` puts them together.
"""

from datetime import timedelta

from cdr_pipeline.steps.operations.due_nights import due_nights, unfinished_days
from cdr_pipeline.steps.operations.health.daily_files import (
    SEALED_CODES,
    delivery_problems,
    late_day_problems,
    outdated_file_problems,
    sealed_file_problems,
)
from cdr_pipeline.steps.operations.health.inbound_files import inbound_problems
from cdr_pipeline.steps.operations.health.installation import (
    alert_problems,
    clocks_broken,
    disk_problems,
    replica_problems,
    retention_problems,
)
from cdr_pipeline.steps.operations.health.nights import (
    collection_problems,
    night_problems,
    unfinished_problems,
    volume_problems,
)
from cdr_pipeline.steps.operations.health.problem import FORGOTTEN, Problem, Subject
from cdr_pipeline.steps.operations.health.received_files import (
    ROWS_REJECTED,
    drop_problems,
    profile_problems,
    reject_problems,
    series_problems,
    upload_problems,
)
from cdr_pipeline.steps.operations.health.reconciliations import reconciliation_problems
from cdr_pipeline.steps.operations.health.runs import END_DEAD_RUNS, RUN_WITHOUT_PROCESS, run_problems
from cdr_pipeline.steps.operations.health.webhooks import webhook_problems
from cdr_pipeline.steps.run_context import RunContext

__all__ = [
    "END_DEAD_RUNS",
    "FORGOTTEN",
    "ROWS_REJECTED",
    "RUN_WITHOUT_PROCESS",
    "SEALED_CODES",
    "Problem",
    "Subject",
    "clocks_broken",
    "find_problems",
]


def find_problems(ctx: RunContext, *, late_after: timedelta = FORGOTTEN, runs: bool = True) -> list[Problem]:
    """All current problems, oldest first.

    Args:
        ctx: settings, warehouse, clock and progress callback.
        late_after: time after which a sealed day with late records is a problem; the sensor ``late_data`` usually
            restates it sooner.
        runs: whether to look for runs whose process has died; False where Dagster itself is asked.
    """
    nights = due_nights(ctx)
    with ctx.ledger() as ledger:
        active = ledger.accounts.active()
        account_ids = [account.account_id for account in active]
        names = {account.account_id: account.name for account in active}
        failed = {(day.account_id, day.business_date) for day in ledger.health.failed_days(account_ids)}
        problems = [
            *clocks_broken(ledger, ctx),
            *night_problems(nights, failed, names, ctx),
            *unfinished_problems(unfinished_days(ledger, ctx), names, ctx),
            *collection_problems(ledger, active),
            *upload_problems(ledger, names),
            *reject_problems(ledger, names, ctx.clock()),
            *profile_problems(ctx),
            *series_problems(ctx, names),
            *drop_problems(ledger, account_ids, ctx),
            *inbound_problems(ledger, names, ctx),
            *sealed_file_problems(ledger, names),
            *outdated_file_problems(ledger, account_ids, ctx.clock()),
            *late_day_problems(ledger, account_ids, ctx.clock() - late_after),
            *volume_problems(ledger, names, ctx.clock()),
            *delivery_problems(ledger, account_ids, ctx.clock()),
            *reconciliation_problems(ledger, account_ids, ctx),
            *retention_problems(ledger, names, ctx.clock()),
            *replica_problems(ctx),
            *alert_problems(ledger, ctx.clock()),
            *webhook_problems(ledger, names, ctx.clock()),
            *disk_problems(ledger, ctx),
            *(run_problems(ctx) if runs else ()),
        ]
    return sorted(problems, key=lambda item: (item.since, item.key))
