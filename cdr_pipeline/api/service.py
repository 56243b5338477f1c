"""Objects that all routes share: run context, record search, rate limits. Built once per process."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar, cast

from anyio import CapacityLimiter, Semaphore, fail_after, to_thread
from fastapi import Request

from cdr_pipeline.api.rates import Rates
from cdr_pipeline.api.upload_queue import UploadQueue
from cdr_pipeline.errors import CdrError, WarehouseUnavailable
from cdr_pipeline.steps.accounts.api_tokens import record_use
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.steps.run_context import RunContext

_log = logging.getLogger(__name__)
# Acts of users at a time, such as seals.
_ACTS: Final = 2
# Logins by password at a time; each needs memory and time of its own.
_LOGINS: Final = 2
# Seconds that a request waits for a free connection; longer waits only lengthen the queue of a busy warehouse.
_WAIT_SECONDS: Final = 5.0
_Result = TypeVar("_Result")


@dataclass(slots=True)
class Service:
    """Shared objects of the application.

    Attributes:
        ctx: settings, warehouse, clock and progress callback.
        records: search over the merged records.
        rates: rate limits of the clients.
        used_tokens: ids of tokens that were used since their use was last recorded.
        uploads: queue of the files that are loaded.
        logins: limits logins by password.
    """

    ctx: RunContext
    records: RecordSearch
    rates: Rates
    used_tokens: set[str] = field(default_factory=set[str])
    uploads: UploadQueue = field(default_factory=UploadQueue)
    logins: Semaphore = field(default_factory=lambda: Semaphore(_LOGINS))
    _reads: Semaphore = field(init=False)
    _threads: CapacityLimiter = field(init=False)
    _acts: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_ACTS))

    def __post_init__(self) -> None:
        connections = self.ctx.settings.serve_connections
        self._reads = Semaphore(connections)
        self._threads = CapacityLimiter(connections)

    async def read(self, step: Callable[..., _Result], *args: object) -> _Result:
        """Runs a step that reads the warehouse, with the time limit of a search and a bounded number at a time.

        Args:
            step: function that takes ``args`` and, last, a run context.
            args: its arguments without the run context.

        Raises:
            WarehouseTimeout: a statement exceeded its time limit.
            WarehouseUnavailable: as many steps as allowed are waiting for the warehouse, or it failed.
        """
        ctx = replace(self.ctx, statement_seconds=self.ctx.settings.serve_search_seconds)
        try:
            with fail_after(_WAIT_SECONDS):
                await self._reads.acquire()
        except TimeoutError:
            raise WarehouseUnavailable("the warehouse has no free connection") from None
        try:
            return await to_thread.run_sync(partial(step, *args, ctx), limiter=self._threads)
        finally:
            self._reads.release()

    async def record_use_of_tokens(self) -> None:
        """Records the tokens that were used since the last time; a failure is made up for by the next time."""
        used, self.used_tokens = self.used_tokens, set()
        if used:
            try:
                await to_thread.run_sync(record_use, used, self.ctx)
            except CdrError as error:
                _log.warning("the last use of tokens could not be recorded: %s", error.code)
                self.used_tokens |= used

    async def act(self, step: Callable[..., _Result], *args: object, seconds: float | None = None) -> _Result:
        """Runs a step that changes something; two at a time.

        Args:
            step: function that takes ``args`` and, last, a run context.
            args: its arguments without the run context.
            seconds: time limit of each statement; that of a download when omitted.
        """
        ctx = self.acting if seconds is None else replace(self.ctx, statement_seconds=seconds)
        return await to_thread.run_sync(partial(step, *args, ctx), limiter=self._acts)

    @property
    def acting(self) -> RunContext:
        """The context of a step that changes something, with limits of statements (as of downloads) and of uploads."""
        settings = self.ctx.settings
        return replace(
            self.ctx,
            statement_seconds=settings.serve_download_seconds,
            most_upload_lines=settings.serve_upload_lines,
        )


def service_of(request: Request) -> Service:
    """The service of the application that handles the request."""
    return cast("Service", request.app.state.service)
