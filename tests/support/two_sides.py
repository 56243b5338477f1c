"""Legs of the switch and lines of a carrier written by hand, in the warehouse of a test."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from cdr_pipeline.steps.reconciliation.reconcile_day import ReconciledCarrier
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from tests.support.carriers import drop, reconciled
from tests.support.nights import warehouse
from tests.support.records import rows

DAY = date(2026, 3, 2)
MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
HEADER = "id,call_id,caller,callee,start_time,answer_time,duration_seconds,billing_seconds,cost,currency,carrier"


def number(index: int) -> str:
    return f"+44770090{index:04d}"


def legs(
    ctx: RunContext,
    starts: Iterable[datetime],
    *,
    seconds: int = 60,
    cost: str = "0.10",
    prefix: str = "s",
    last: Mapping[str, object] | None = None,
) -> None:
    """Outbound legs of the switch, one per start; the n-th calls the n-th number. ``last`` changes the last one."""
    made = [
            {
                "record_id": f"{prefix}{index}", "call_id": f"{prefix}-call-{index}", "started_at": start,
                "business_date": start.date(), "call_direction": "outbound", "answered_at": start, "answered": True,
                "duration_seconds": Decimal(seconds), "billing_seconds": Decimal(seconds), "cost": Decimal(cost),
                "cost_currency": "USD", "caller_id_number": "+442079460001", "caller_e164": "+442079460001",
                "callee_id_number": number(index), "callee_e164": number(index),
            }
            for index, start in enumerate(starts)
    ]  # fmt: skip
    frame = rows(*made[:-1], {**made[-1], **(last or {})})
    with (
        ctx.ledger() as ledger,
        batch_load(
            ledger.connection, BatchHeader("acct", uuid4(), "window", "w", now=ctx.clock(), business_date=DAY)
        ) as load,
    ):
        load.stage(frame)
        load.finish(read=frame.height)


def line(
    index: int, start: datetime, *, seconds: int = 60, cost: str = "0.10", id_: str | None = None, call_id: str = ""
) -> str:
    """A carrier's line about the n-th number."""
    text = f"{start:%Y-%m-%dT%H:%M:%SZ}"
    name = id_ or f"c{index}"
    return f"{name},{call_id},+442079460001,{number(index)},{text},{text},{seconds},{seconds},{cost},USD,bell"


def starts(count: int) -> list[datetime]:
    return [MORNING + timedelta(minutes=3 * index) for index in range(count)]


def deliver(ctx: RunContext, *lines: str, name: str = "day.csv") -> None:
    drop(ctx, "acct", "\n".join([HEADER, *lines]) + "\n", name=name)


def one(ctx: RunContext, day: date = DAY) -> ReconciledCarrier:
    (item,) = reconciled(ctx, day).carriers
    return item


def classes(ctx: RunContext) -> dict[str, int]:
    return dict(
        warehouse(ctx, "SELECT class, count(*) FROM reconciled_calls WHERE until_version IS NULL GROUP BY class")
    )
