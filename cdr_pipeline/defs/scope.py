"""What a run is about: which business dates, and which accounts when not all."""

from datetime import date

import dagster as dg
from pydantic import Field

from cdr_pipeline.defs.partitions import ACCOUNTS_TAG, REPLAY_TAG


class Scope(dg.ConfigurableResource["Scope"]):
    """What a run may be narrowed to by its config; the run tags say the same, and go before."""

    accounts: list[str] = Field(
        default=[], description="Only these accounts, by id; all active ones when empty. Or the run tag cdr/accounts."
    )
    replay: bool = Field(
        default=False,
        description="Load again what has landed before, without asking the switch. Or the run tag cdr/replay.",
    )

    def selected_accounts(self, context: dg.AssetExecutionContext) -> list[str] | None:
        """Accounts named by the run tag ``cdr/accounts`` (comma-separated) or by the config, None for all."""
        tag = context.run.tags.get(ACCOUNTS_TAG, "")
        tagged = [name.strip() for name in tag.split(",") if name.strip()]
        return tagged or list(self.accounts) or None

    def replay_requested(self, context: dg.AssetExecutionContext) -> bool:
        """Whether the run tag ``cdr/replay`` or the config asks to load again what was loaded before."""
        tag = context.run.tags.get(REPLAY_TAG)
        return self.replay if tag is None else tag.lower() in {"true", "1", "yes"}


def partition_dates(context: dg.AssetExecutionContext) -> list[date]:
    """Business dates of the run's partitions, oldest first; several in a backfill's single run."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)
