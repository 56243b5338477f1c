"""State of a streaming replica: whether it follows this warehouse, and how old the records that it shows are.

The position in the log tells, not the time of the last transaction: an idle warehouse has no transactions, and its
replica is nevertheless up to date.
"""

import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from cdr_pipeline.errors import ReplicaUnusable
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.cluster import is_cluster
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.statements import statement

_LOOK_SECONDS: Final = 0.1
# At one look a second: longer than any limit of the setting serve_replica_seconds.
_REMEMBERED: Final = 4000


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """State of a replica compared with the warehouse.

    Attributes:
        bytes_behind: log that the warehouse has written and the replica has not replayed; 0 if it is up to date.
        replayed_at: time of the last transaction that the replica has replayed; None before the first.
    """

    bytes_behind: int
    replayed_at: datetime | None


class ReplicaHistory:
    """Positions of the warehouse's log with the times when they were read."""

    def __init__(self) -> None:
        self._positions: deque[tuple[int, datetime]] = deque(maxlen=_REMEMBERED)
        self._as_of: datetime | None = None

    def note_written(self, position: int, moment: datetime) -> None:
        """Adds the position that the warehouse had written at a moment."""
        self._positions.append((position, moment))

    def note_replayed(self, position: int) -> datetime | None:
        """The last known moment whose transactions a replica at this position shows; None if it is before them all."""
        while self._positions and self._positions[0][0] <= position:
            _, self._as_of = self._positions.popleft()
        return self._as_of


def replica_state(url: str, replica_url: str, *, wait_seconds: float = 2.0) -> ReplicaState:
    """Compares a replica with its warehouse, and waits a moment for it to catch up.

    Args:
        url: URL of the warehouse.
        replica_url: URL of the replica.
        wait_seconds: longest time to wait, in seconds.

    Raises:
        WarehouseUnavailable: one of them cannot be reached.
        ReplicaUnusable: the second URL is not a replica of the warehouse.
    """
    with connect(url) as warehouse, connect(replica_url) as replica:
        _require_follower(warehouse, replica)
        (written,) = warehouse.execute(statement("operations/written_position")).fetchone() or (0,)
        deadline = time.monotonic() + wait_seconds
        while True:
            row = replica.execute(statement("operations/replayed_position")).fetchone()
            _, replayed, replayed_at = row or (False, None, None)
            if replayed is None:
                raise not_a_replica("it is not in recovery")
            if replayed >= written or time.monotonic() > deadline:
                return ReplicaState(max(0, int(written - replayed)), replayed_at)
            time.sleep(_LOOK_SECONDS)


def _require_follower(warehouse: Connection[Any], replica: Connection[Any]) -> None:
    if is_cluster(warehouse):
        raise not_a_replica("the warehouse is a Citus cluster, for which replicas are not supported")
    (in_recovery,) = replica.execute("SELECT pg_is_in_recovery()").fetchone() or (False,)
    if not in_recovery:
        raise not_a_replica("it is a server of its own, not in recovery")
    if Ledger(warehouse).identity.warehouse_id() != Ledger(replica).identity.warehouse_id():
        raise not_a_replica("it follows another warehouse")


def not_a_replica(reason: str) -> ReplicaUnusable:
    """The error for a URL that names no replica of the warehouse."""
    return ReplicaUnusable(
        f"CDR_WAREHOUSE_REPLICA_URL is not a replica of CDR_WAREHOUSE_URL: {reason}",
        hint="name a streaming replica (hot standby) of the warehouse, or remove the setting",
    )
