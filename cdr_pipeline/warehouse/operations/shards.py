"""Shards of a night: the accounts of each, and the result of each step for them.

The steps of a shard can run on other machines than the step that gathers their results, so the results are stored in
the warehouse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from cdr_pipeline.warehouse.statement_runner import LedgerTables

# A failed run can be re-executed from its failed steps for this long.
_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ShardedStep:
    """A step of a run that is divided into shards.

    Attributes:
        run_id: id of the run, or of the run that it re-executes.
        step: name of the step.
    """

    run_id: str
    step: str


@dataclass(frozen=True, slots=True)
class ShardResult:
    """Accounts of a shard and the result of its step as JSON; None if it has none yet."""

    shard: int
    account_ids: list[str]
    result: str | None


class ShardTable(LedgerTables):
    """Shards of nights."""

    def rows_of_day(self, account_ids: Sequence[str], business_date: date) -> dict[str, int]:
        """Number of rows that the switch delivered for a day by account; accounts without any are left out."""
        rows = self.statements.rows(
            "operations/rows_of_day", account_ids=list(account_ids), business_date=business_date
        )
        return {row["account_id"]: row["row_count"] for row in rows}

    def divide(self, step: ShardedStep, shards: Sequence[Sequence[str]], *, now: datetime) -> None:
        """Stores the accounts of each shard of a step. Earlier results of the step are removed."""
        with self.connection.transaction():
            self.statements.execute("operations/forget_shards", run_id=step.run_id, step=step.step, before=now - _KEPT)
            for shard, account_ids in enumerate(shards):
                self.statements.execute(
                    "operations/insert_shard",
                    run_id=step.run_id,
                    step=step.step,
                    shard=shard,
                    account_ids=list(account_ids),
                    now=now,
                )

    def accounts(self, step: ShardedStep, shard: int) -> list[str] | None:
        """Accounts of a shard; None if the shard is not known."""
        rows = self.statements.rows("operations/shard_accounts", run_id=step.run_id, step=step.step, shard=shard)
        return rows[0]["account_ids"] if rows else None

    def record(self, step: ShardedStep, shard: int, result: str) -> None:
        """Stores the result of a shard as JSON."""
        self.statements.execute(
            "operations/record_shard", run_id=step.run_id, step=step.step, shard=shard, result=result
        )

    def results(self, step: ShardedStep) -> list[ShardResult]:
        """Results of all shards of a step."""
        return self.statements.records(ShardResult, "operations/shard_results", run_id=step.run_id, step=step.step)
