"""Divides the accounts of a night into shards and keeps the results of their steps in the warehouse."""

from collections.abc import Sequence
from datetime import date, timedelta

from cdr_pipeline.core.records.shards import spread
from cdr_pipeline.errors import AccountNotFound
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.operations.shards import ShardedStep, ShardResult


def divide_night(step: ShardedStep, first_date: date, accounts: Sequence[str] | None, ctx: RunContext) -> int:
    """Spreads the accounts over ``night_shards`` shards, balanced by the rows of the day before.

    Args:
        step: step that is divided.
        first_date: first business date of the run.
        accounts: accounts of the run; None for all active ones.
        ctx: settings, warehouse, clock and progress callback.

    Returns:
        Number of shards: at most one per account, none if there are no accounts.

    Raises:
        AccountNotFound: a requested account is not registered.
    """
    shards = night_shards(first_date, accounts, ctx)
    with ctx.ledger() as ledger:
        ledger.shards.divide(step, shards, now=ctx.clock())
    return len(shards)


def night_shards(first_date: date, accounts: Sequence[str] | None, ctx: RunContext) -> list[list[str]]:
    """Accounts of each of the ``night_shards`` shards, balanced by the rows of the day before.

    Raises:
        AccountNotFound: a requested account is not registered.
    """
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        known = ledger.shards.rows_of_day(account_ids, first_date - timedelta(days=1))
    return spread({name: known.get(name, 0) for name in account_ids}, ctx.settings.night_shards)


def shard_accounts(step: ShardedStep, shard: int, ctx: RunContext) -> list[str]:
    """Accounts of a shard.

    Raises:
        AccountNotFound: the run was divided too long ago to be continued.
    """
    with ctx.ledger() as ledger:
        accounts = ledger.shards.accounts(step, shard)
    if accounts is None:
        raise AccountNotFound(
            f"the accounts of shard {shard} of {step.step} are not stored any more",
            hint="start a new run of the day; it does only what is still missing",
        )
    return accounts


def record_shard(step: ShardedStep, shard: int, result: str, ctx: RunContext) -> None:
    """Stores the result of a shard as JSON."""
    with ctx.ledger() as ledger:
        ledger.shards.record(step, shard, result)


def shard_results(step: ShardedStep, ctx: RunContext) -> list[ShardResult]:
    """Results of all shards of a step, in order."""
    with ctx.ledger() as ledger:
        return ledger.shards.results(step)
