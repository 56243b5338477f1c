"""Scope of a run: its business dates and its accounts."""

from datetime import date

import dagster as dg
from pydantic import Field

from cdr_pipeline.defs.partitions import ACCOUNTS_TAG, REPLAY_TAG


class Scope(dg.ConfigurableResource["Scope"]):
    """Restricts a run to some accounts, or to a replay, by its config. Run tags take precedence."""

    accounts: list[str] = Field(
        default=[], description="Only these accounts, by id; all active ones when empty. Or the run tag cdr/accounts."
    )
    replay: bool = Field(
        default=False,
        description="Load the landing files again without a request to the switch. Or the run tag cdr/replay.",
    )

    def selected_accounts(self, context: dg.AssetExecutionContext) -> list[str] | None:
        """Accounts named by the run tag ``cdr/accounts`` (comma-separated) or by the config, None for all."""
        tag = context.run.tags.get(ACCOUNTS_TAG, "")
        tagged = [name.strip() for name in tag.split(",") if name.strip()]
        return tagged or list(self.accounts) or None

    def replay_requested(self, context: dg.AssetExecutionContext) -> bool:
        """Whether the run tag ``cdr/replay`` or the config requests that landing files are loaded again."""
        tag = context.run.tags.get(REPLAY_TAG)
        return self.replay if tag is None else tag.lower() in {"true", "1", "yes"}


def partition_dates(context: dg.AssetExecutionContext) -> list[date]:
    """Business dates of the run's partitions, oldest first; the single run of a backfill has several."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)
