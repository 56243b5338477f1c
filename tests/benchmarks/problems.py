"""Benchmark ``problems``: what is broken when no night has run for months, as ``status`` and ``doctor`` ask for it.

python tests/benchmarks/problems.py [--accounts 1000] [--days 268]
"""

import argparse
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measuring import line, measured

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
REPEATS = 3


def place(folder: str, days: int) -> RunContext:
    """A data folder in which collection begins so many days before noon."""
    values: dict[str, Any] = {
        "data_dir": Path(folder) / "data",
        "DAGSTER_HOME": Path(folder) / "dagster_home",
        "api_url": "http://127.0.0.1:9",
        "api_token": "t" * 32,
        "first_date": str((NOON - timedelta(days=days)).date()),
    }
    settings = Settings(**values)
    return replace(RunContext.open(settings), clock=lambda: NOON)


def prepare(folder: str, accounts: int, days: int) -> None:
    """Accounts that were registered on the first day and never collected."""
    ctx = place(folder, days)
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account("acct"), now=NOON - timedelta(days=days))
    with connect(EmbeddedServer(ctx.settings.warehouse_dir).ensure_running()) as connection, connection.transaction():
        connection.execute(
            "INSERT INTO accounts SELECT (jsonb_populate_record(a, jsonb_build_object('account_id', 'acct' || n))).*"
            " FROM accounts AS a CROSS JOIN generate_series(2, %s) AS n",
            [accounts],
        )


def ask(folder: str, days: int) -> int:
    """Asks several times; returns the number of problems."""
    ctx = place(folder, days)
    return [len(find_problems(ctx)) for _ in range(REPEATS)][-1]


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=268)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            measured(prepare, folder, given.accounts, given.days)
            asked = measured(ask, folder, given.days)
            found = asked.result
            print(
                f"{line(f'{found} problems, {REPEATS} times', found * REPEATS, asked)}  {asked.processor_seconds:.2f} s"
            )
        finally:
            EmbeddedServer(place(folder, given.days).settings.warehouse_dir).destroy()


if __name__ == "__main__":
    main()
