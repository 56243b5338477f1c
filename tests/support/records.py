"""Canonical rows for tests."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from cdr_pipeline.core.fields.schemas import working_schema

STARTED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def rows(*changes: dict[str, Any]) -> pl.DataFrame:
    """One valid row of the switch per argument, with the changes given; ids and lines count up."""
    schema = working_schema()
    base: dict[str, Any] = {
        "account_id": "acct",
        "origin": "api",
        "business_date": date(2026, 3, 2),
        "call_direction": "inbound",
        "started_at": STARTED,
        "duration_seconds": Decimal("30.000"),
        "billing_seconds": Decimal("20.000"),
        "raw": "{}",
    }
    full = [
        dict.fromkeys(schema) | base | {"record_id": f"r{number}", "line": number} | change
        for number, change in enumerate(changes, start=1)
    ]
    return pl.DataFrame(full, schema=schema, orient="row")
