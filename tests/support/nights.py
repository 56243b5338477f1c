"""Nights against a simulated switch, and what must be in the warehouse after them."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from pydantic import SecretStr

from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.core.time.timestamps import from_gregorian
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect.collect_day import CollectedDay, CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadedDay, LoadRequest, load_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account

DAY = date(2026, 3, 2)


def playing(ctx: RunContext, switch: SimulatedSwitch, url: str, **more: Any) -> RunContext:
    """The workplace, pointed at a switch whose accounts it knows."""
    settings = ctx.settings.model_copy(
        update={"api_url": url, "api_token": SecretStr(switch.token), "api_requests_per_second": 10_000.0}
        | {"api_host_requests_per_second": 100_000.0}
        | more
    )
    with ctx.ledger() as ledger:
        for account in switch.accounts:
            ledger.accounts.add(Account(account.account_id, time_zone=account.time_zone), now=ctx.clock())
    return replace(ctx, settings=settings)


def night(ctx: RunContext, day: date = DAY, accounts: list[str] | None = None) -> tuple[CollectedDay, LoadedDay]:
    """Collects and loads a day."""
    return collect_day(CollectRequest(day, accounts), ctx), load_day(LoadRequest(day, accounts), ctx)


def warehouse(ctx: RunContext, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with ctx.ledger() as ledger:
        return ledger.connection.execute(query).fetchall()  # type: ignore[arg-type]


def truth_of(switch: SimulatedSwitch, day: date = DAY) -> set[tuple[Any, ...]]:
    """Account, id, start, duration and billed seconds of every leg that began on the business date."""
    found: set[tuple[Any, ...]] = set()
    for account in switch.accounts:
        first, end = day_bounds(day, account.time_zone)
        for near in (day + timedelta(days=number) for number in range(-2, 3)):
            for leg in switch.documents(account.account_id, near):
                started = from_gregorian(int(leg["timestamp"]) - int(leg["duration_seconds"]))
                if first <= started < end:
                    found.add(
                        (account.account_id, leg["_id"], started, leg["duration_seconds"], leg["billing_seconds"])
                    )
    return found


def records_of(ctx: RunContext, day: date = DAY) -> list[tuple[Any, ...]]:
    """The same of the warehouse's records; a list, so that a doubled one shows."""
    return warehouse(
        ctx,
        "SELECT account_id, record_id, started_at, duration_seconds::int, billing_seconds::int FROM cdr"
        f" WHERE business_date = '{day}' AND origin = 'api'",
    )


def require_sound(ctx: RunContext) -> None:
    """What must hold after any fault: balanced batches, nothing left on the stage, no record twice."""
    assert warehouse(ctx, "SELECT count(*) FROM cdr_stage") == [(0,)]
    assert warehouse(
        ctx,
        "SELECT count(*) FROM batches WHERE rows_read <> rows_inserted + rows_updated + rows_unchanged"
        " + rows_duplicate + rows_rejected + rows_filtered",
    ) == [(0,)]
    assert warehouse(
        ctx, "SELECT account_id, origin, record_id FROM cdr GROUP BY account_id, origin, record_id HAVING count(*) > 1"
    ) == []  # fmt: skip
