"""Chooses for each request of the API whether its records come from a streaming replica or from the warehouse."""

import asyncio
import logging
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from typing import Final

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.pool import Pool, reading, replayed_position, written_position
from cdr_pipeline.warehouse.server.replica import ReplicaHistory, not_a_replica, replica_state

_LOOK_SECONDS: Final = 1.0
_REPLY_SECONDS: Final = 3.0
_log = logging.getLogger(__name__)
# Whether this request reads from the replica; tasks of the same request inherit it.
_FROM_REPLICA: ContextVar[bool] = ContextVar("_FROM_REPLICA", default=False)


class ReplicaReading:
    """A replica, its connections, and the age of what it shows.

    Args:
        ctx: settings, warehouse, clock and progress callback.
        warehouse: pool of connections to the warehouse.
        replica: pool of connections to the replica.
    """

    def __init__(self, ctx: RunContext, warehouse: Pool, replica: Pool) -> None:
        self._ctx = ctx
        self._warehouse = warehouse
        self._replica = replica
        self._history = ReplicaHistory()
        self._as_of: datetime | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts connecting and comparing in the background; requests read from the warehouse until then."""
        await self._replica.open()
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Closes the connections to the replica."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        await self._replica.close()

    def choose(self) -> datetime | None:
        """Chooses for the current request; returns the moment whose records the replica shows, None if not chosen."""
        as_of, limit = self._as_of, self._ctx.settings.serve_replica_seconds
        fresh = as_of is not None and (self._ctx.clock() - as_of).total_seconds() <= limit
        _FROM_REPLICA.set(fresh)
        return as_of if fresh else None

    def chosen_pool(self) -> Pool:
        """The pool that the current request reads records from."""
        return self._replica if _FROM_REPLICA.get() else self._warehouse

    async def _watch(self) -> None:
        """Compares the positions once a second; an error ends the use of the server, and so does its promotion."""
        url = self._ctx.settings.warehouse_replica_url
        known, logged = False, ""
        while True:
            try:
                if not known and url is not None:
                    await asyncio.to_thread(replica_state, self._ctx.url, url.get_secret_value(), wait_seconds=0)
                    known = True
                self._as_of = await self._look()
                logged = ""
            except (WarehouseError, TimeoutError) as error:
                self._as_of, known = None, False
                if type(error).__name__ != logged:
                    _log.warning("the replica is not used: %s", error or "no answer")
                logged = type(error).__name__
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> datetime | None:
        moment = self._ctx.clock()
        async with asyncio.timeout(_REPLY_SECONDS), reading(self._replica, seconds=_REPLY_SECONDS) as replica:
            # The warehouse may be busy or away; what the replica shows then grows older.
            with suppress(WarehouseError):
                async with reading(self._warehouse, seconds=_REPLY_SECONDS) as warehouse:
                    self._history.note_written(await written_position(warehouse), moment)
            replayed = await replayed_position(replica)
        if replayed is None:
            raise not_a_replica("it is not in recovery")
        return self._history.note_replayed(replayed)
