"""What a run is about: which business dates, and which accounts when not all."""

from datetime import date

import dagster as dg

from cdr_pipeline.defs.partitions import ACCOUNTS_TAG, REPLAY_TAG


def asked_dates(context: dg.AssetExecutionContext) -> list[date]:
    """Business dates of the run's partitions, oldest first; several in a backfill's single run."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)


def asked_accounts(context: dg.AssetExecutionContext) -> list[str] | None:
    """Accounts named by the run tag ``cdr/accounts`` (comma-separated), None for all."""
    tag = context.run.tags.get(ACCOUNTS_TAG, "")
    accounts = [name.strip() for name in tag.split(",") if name.strip()]
    return accounts or None


def asked_replay(context: dg.AssetExecutionContext) -> bool:
    """Whether the run tag ``cdr/replay`` asks to load again what was loaded before."""
    return context.run.tags.get(REPLAY_TAG, "").lower() in {"true", "1", "yes"}
