"""Fixtures of reconciliations."""

import pytest

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """An account whose day was collected whole."""
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account("acct"), now=ctx.clock())
        ledger.connection.execute(
            "INSERT INTO days (account_id, business_date, state, changes, exported_changes, complete_through)"
            " SELECT 'acct', day, 'open', 0, 0, day + interval '2 days'"
            " FROM generate_series(date '2026-03-01', date '2026-03-04', interval '1 day') AS day"
        )
    return ctx
