"""Metadata computed from the warehouse after a load: minutes, money, late records, and a chart of the traffic."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import dagster as dg

from cdr_pipeline.defs.columns import record_lineage
from cdr_pipeline.steps.operations.night_page import totals_markdown, traffic_image
from cdr_pipeline.steps.operations.night_report import rows_by_hour, totals_of
from cdr_pipeline.steps.run_context import RunContext


def warehouse_summary(
    days: Sequence[date], touched: Iterable[date], accounts: Sequence[str] | None, started_at: datetime, ctx: RunContext
) -> dict[str, dg.MetadataValue]:
    """Totals of the days by origin, late records of earlier days and, for a single day, a chart and column lineage.

    Dagster stores this metadata once per partition, so a backfill of several days stores numbers only.

    Args:
        days: business dates of the run.
        touched: business dates whose records changed.
        accounts: accounts of the run; None for all.
        started_at: time at which the load started, UTC.
        ctx: settings, warehouse, clock and progress callback.
    """
    late_days = sorted(day for day in touched if day < min(days))
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        traffic = ledger.health.day_traffic(account_ids, days)
        late = ledger.health.late_rows(account_ids, late_days, since=started_at) if late_days else 0
    totals = totals_of(traffic)
    metadata: dict[str, dg.MetadataValue] = {
        "rows_late": dg.MetadataValue.int(late),
        "totals_by_origin": dg.MetadataValue.md(totals_markdown(totals)),
        **{f"rows_{item.origin}": dg.MetadataValue.int(item.rows) for item in totals},
        **{f"minutes_{item.origin}": dg.MetadataValue.float(float(item.minutes)) for item in totals},
    }
    if len(days) == 1:
        metadata["traffic"] = dg.MetadataValue.md(traffic_image(rows_by_hour(traffic), days[0]))
        metadata["dagster/column_lineage"] = dg.MetadataValue.column_lineage(record_lineage())
    return metadata
