"""Sides of a reconciliation for tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from cdr_pipeline.core.reconcile.inputs.columns import SIDE_SCHEMA
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def side(*changes: dict[str, Any], prefix: str = "a") -> pl.DataFrame:
    """One answered call of a minute per argument, with the changes given; ``ctx`` is in seconds after noon."""
    rows = []
    for number, change in enumerate(changes, start=1):
        base = {
            "row_id": f"{prefix}{number}",
            "call_id": None,
            "caller": "+4930111111",
            "callee": "+4930222222",
            "started_at": NOON + timedelta(seconds=change.get("at", 0)),
            "duration_ms": 60_000,
            "amount": Decimal("0.10"),
            "currency": "EUR",
            "answered": True,
            "destination": None,
        }
        rows.append(base | {name: value for name, value in change.items() if name != "at"})
    return pl.DataFrame(rows, schema=SIDE_SCHEMA)


def pairs_of(result: Reconciled) -> list[tuple[str, str, str]]:
    """Switch row, carrier row and class of every pair."""
    return [tuple(row) for row in result.pairs.select("switch_row_id", "carrier_row_id", "class").rows()]


def classes_of(result: Reconciled) -> dict[str, str]:
    """Class of every row; row ids of the two sides must differ."""
    return dict(result.rows.select("row_id", "class").rows())


def exposure_of(result: Reconciled) -> dict[str, Decimal]:
    """Exposure of the rows that have any."""
    return dict(result.rows.filter(pl.col("exposure") != 0).select("row_id", "exposure").rows())
