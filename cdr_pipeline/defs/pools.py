"""Dagster's pools: steps of one pool run one at a time, over all processes and machines."""

from typing import Final
from urllib.parse import urlsplit

import dagster as dg

from cdr_pipeline.settings import Settings

WAREHOUSE: Final = "warehouse"
INBOUND: Final = "inbound"


def switch_pool(settings: Settings) -> str:
    """Pool of the steps that send requests to this switch; its limit applies per host."""
    return f"switch/{urlsplit(settings.api_url or '').hostname or 'none'}"


def create_pools(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Creates the pools that do not exist, with the default limit of ``dagster.yaml``.

    Dagster creates a pool when the first run needs it. On PostgreSQL, of two runs that do so at once one fails.
    """
    storage = instance.event_log_storage
    for pool in {WAREHOUSE, INBOUND, switch_pool(settings)} - storage.get_concurrency_keys():
        try:
            storage.initialize_concurrency_limit_to_default(pool)
        except Exception:
            # Another machine may have created it in the meantime.
            if pool not in storage.get_concurrency_keys():
                raise
