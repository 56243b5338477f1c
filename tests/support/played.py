"""Nights of the whole job against a simulated switch."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import SecretStr

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account

DAY = (datetime.now(UTC) - timedelta(days=2)).date()
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def playing(settings: Settings, switch: SimulatedSwitch, *, since_days: int = 0, **more: Any) -> Iterator[Settings]:
    """Settings that point at a running switch whose accounts the warehouse has known for some days."""
    with run_switch(switch) as running:
        made = settings.model_copy(
            update={
                "api_url": running.url,
                "api_token": SecretStr(switch.token),
                "api_requests_per_second": 10_000.0,
                "api_host_requests_per_second": 100_000.0,
                "step_retry_seconds": 0,
                "alert_webhook_url": None,
            }
            | more
        )
        known_since = datetime.now(UTC) - timedelta(days=since_days)
        with RunContext.open(made).ledger() as ledger:
            for account in switch.accounts:
                ledger.accounts.add(Account(account.account_id, time_zone=account.time_zone), now=known_since)
        yield made


def run_job(
    settings: Settings, instance: dg.DagsterInstance, day: date | str | None, tags: dict[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    """The nightly job of a day, in this process; without a day, the range of the tags."""
    job = build_definitions(settings, contexts=RunContexts(settings)).resolve_job_def(NIGHTLY)
    return job.execute_in_process(
        instance=instance,
        partition_key=None if day is None else str(day),
        tags=tags or {},
        raise_on_error=False,
        run_config=QUIET,
    )


def hashes(settings: Settings) -> dict[str, str]:
    """Every daily file the ledger knows, by place: its sha256."""
    with RunContext.open(settings).ledger() as ledger:
        rows = ledger.connection.execute("SELECT path, sha256 FROM export_files ORDER BY path").fetchall()
    return dict(rows)


def table_of_records(settings: Settings) -> list[tuple[Any, ...]]:
    """What the warehouse holds, without what differs from load to load."""
    with RunContext.open(settings).ledger() as ledger:
        return ledger.connection.execute(
            "SELECT account_id, origin, record_id, business_date, row_digest FROM cdr ORDER BY 1, 2, 3, 4"
        ).fetchall()
