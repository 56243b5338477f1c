"""Read access of the API: checks tokens and reads merged records. Each call is one short transaction."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cdr_pipeline.core.records.document import document_of
from cdr_pipeline.core.records.search import PageKey, Search
from cdr_pipeline.errors import WarehouseUnavailable
from cdr_pipeline.steps.records.replica_reading import ReplicaReading
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.tokens import (
    Authorized,
    authorize,
    cursor_secret,
    find_ancestors,
    find_children,
    find_sharing_limits,
)
from cdr_pipeline.warehouse.records.search import (
    FoundPage,
    find_legs,
    find_record,
    find_summary,
    is_planned_once,
    is_read_in_order,
    page_of,
    page_statement,
    stream_csv,
    stream_json,
)
from cdr_pipeline.warehouse.server.migrate import require_revision
from cdr_pipeline.warehouse.server.pool import Pool, Reading, read_once, read_pool, reading, schema_revision

Stream = AsyncGenerator[bytes]
# Seconds that a download waits until another one ends.
_WAIT_SECONDS: Final = 5.0


@dataclass(slots=True)
class RecordSearch:
    """Reads the merged records for the API.

    Attributes:
        ctx: settings, warehouse, clock and progress callback.
        connections: maximum number of open connections; downloads use at most half of them, so that a few slow
            clients do not hold up searches.
        statement_seconds: timeout of one search, in seconds.
        download_seconds: timeout of one download, in seconds.
    """

    ctx: RunContext
    connections: int
    statement_seconds: float
    download_seconds: float
    _pool: Pool = field(init=False)
    _replica: ReplicaReading | None = field(init=False)
    _downloads: asyncio.Semaphore = field(init=False)
    _secret: bytes = b""

    def __post_init__(self) -> None:
        self._downloads = asyncio.Semaphore(self.connections // 2)
        self._pool = self._new_pool(self.ctx.url)
        url = self.ctx.settings.warehouse_replica_url
        self._replica = (
            None if url is None else ReplicaReading(self.ctx, self._pool, self._new_pool(url.get_secret_value()))
        )

    async def open(self) -> None:
        """Starts connecting in the background; does not fail when the warehouse is down."""
        await self._pool.open()
        if self._replica is not None:
            await self._replica.open()

    async def close(self) -> None:
        """Closes the connections."""
        if self._replica is not None:
            await self._replica.close()
        await self._pool.close()

    def choose_source(self) -> datetime | None:
        """Chooses where this request reads records: from a replica that is fresh enough, or from the warehouse.

        Returns:
            The moment whose records the replica shows; None if the request reads from the warehouse.
        """
        return None if self._replica is None else self._replica.choose()

    async def authorize(self, token: str, account_id: str | None) -> Authorized | None:
        """Owner of the token, and the requested account if the token covers it. Raises WarehouseUnavailable."""
        async with self._reading() as connection:
            return await authorize(connection, token, account_id)

    async def require_ready(self) -> None:
        """Checks that the warehouse responds and has the tables of this version.

        Raises:
            WarehouseUnavailable: the warehouse does not respond.
            WarehouseNotMigrated: the tables are older than the code.
            WarehouseNewerThanCode: the tables are newer than the code.
        """
        async with self._reading() as connection:
            revision = await schema_revision(connection)
        require_revision(revision)

    async def cursor_secret(self) -> bytes:
        """The key that signs cursors, cached after the first call. Raises WarehouseUnavailable."""
        if not self._secret:
            async with self._reading() as connection:
                self._secret = await cursor_secret(connection)
        return self._secret

    async def page(self, search: Search, *, size: int, start: PageKey | None) -> FoundPage:
        """One page of list rows. Raises WarehouseTimeout, WarehouseUnavailable."""
        query, values = page_statement(search, size=size, start=start)
        rows = await read_once(
            self._record_pool(),
            query,
            values,
            seconds=self.statement_seconds,
            accounts=search.accounts,
            in_order=is_read_in_order(search),
            planned_once=is_planned_once(search),
        )
        return page_of(rows, search, size=size)

    async def record(self, account_id: str, record_id: str) -> dict[str, Any] | None:
        """The detail document of one leg. Raises WarehouseUnavailable."""
        async with self._reading([account_id], planned_once=True) as connection:
            record = await find_record(connection, account_id, record_id)
        return None if record is None else document_of(record)

    async def legs(self, account_id: str, identity: str) -> list[dict[str, Any]]:
        """Detail documents of the legs of an interaction, oldest first. Raises WarehouseUnavailable."""
        async with self._reading([account_id], planned_once=True) as connection:
            return [document_of(record) for record in await find_legs(connection, account_id, identity)]

    async def summary(self, search: Search) -> list[dict[str, Any]]:
        """``direction, domain, classifier, rate_name, seconds``. Raises WarehouseTimeout, WarehouseUnavailable."""
        async with self._reading(search.accounts) as connection:
            return await find_summary(connection, search)

    async def children(self, account_id: str, *, deep: bool, after: str, limit: int) -> list[dict[str, Any]]:
        """Accounts below an account. Raises WarehouseUnavailable."""
        async with self._reading() as connection:
            return await find_children(connection, account_id, deep=deep, after=after, limit=limit)

    async def ancestors(self, account_id: str, top: str) -> list[dict[str, Any]]:
        """Accounts above an account up to ``top``, from the top. Raises WarehouseUnavailable."""
        async with self._reading() as connection:
            return await find_ancestors(connection, account_id, top)

    async def sharing_limits(self, account_id: str) -> list[str]:
        """An account and those above it, whose limits its requests use. Raises WarehouseUnavailable."""
        async with self._reading() as connection:
            return await find_sharing_limits(connection, account_id)

    async def json_rows(self, search: Search) -> Stream:
        """All list rows as JSON, one a line, in pieces. Raises WarehouseTimeout, WarehouseUnavailable."""
        async with (
            self._downloading(search.accounts) as connection,
            aclosing(stream_json(connection, search)) as pieces,
        ):
            async for piece in pieces:
                yield piece

    async def csv_rows(self, search: Search) -> Stream:
        """All list rows as CSV with a header, in pieces. Raises WarehouseTimeout, WarehouseUnavailable."""
        async with self._downloading(search.accounts) as connection, aclosing(stream_csv(connection, search)) as pieces:
            async for piece in pieces:
                yield piece

    def _reading(
        self, accounts: Sequence[str] | None = None, *, in_order: bool = False, planned_once: bool = False
    ) -> AbstractAsyncContextManager[Reading]:
        # Tokens, accounts and the revision come from the warehouse: a revoked token ends at once.
        pool = self._pool if accounts is None else self._record_pool()
        return reading(
            pool, seconds=self.statement_seconds, accounts=accounts, in_order=in_order, planned_once=planned_once
        )

    @asynccontextmanager
    async def _downloading(self, accounts: Sequence[str]) -> AsyncGenerator[Reading]:
        try:
            await asyncio.wait_for(self._downloads.acquire(), _WAIT_SECONDS)
        except TimeoutError:
            raise WarehouseUnavailable("as many downloads as allowed are running") from None
        try:
            async with reading(self._record_pool(), seconds=self.download_seconds, accounts=accounts) as connection:
                yield connection
        finally:
            self._downloads.release()

    def _record_pool(self) -> Pool:
        return self._pool if self._replica is None else self._replica.chosen_pool()

    def _new_pool(self, url: str) -> Pool:
        return read_pool(url, connections=self.connections, seconds=self.statement_seconds)
