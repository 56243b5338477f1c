"""Limits of requests per second that all processes share."""

import threading
from typing import Any, Final

from psycopg import Connection

from cdr_pipeline.warehouse.statement_runner import LedgerTables

# Unused time that can be used later, as in the bucket of a single process.
_BURST_SECONDS: Final = 2.0


class SharedPace(LedgerTables):
    """Reserves requests for all processes together. Several threads can use it over its one connection."""

    def __init__(self, connection: Connection[Any]) -> None:
        super().__init__(connection)
        self._lock = threading.Lock()

    def reserve(self, place: str, per_second: float, requests: int) -> float:
        """Reserves some requests.

        Args:
            place: host of the switch, or an account of it.
            per_second: requests per second that the place allows to all processes together.
            requests: number of requests to reserve.

        Returns:
            Seconds until the first of them may be sent; 0 or less if that is now.
        """
        with self._lock:
            (row,) = self.statements.rows(
                "collect/reserve_requests", place=place, seconds=requests / per_second, burst_seconds=_BURST_SECONDS
            )
        return row["begins_in"]
