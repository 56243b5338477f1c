"""The queue of uploads: each account loads one file at a time, so that no account holds up the others."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

from anyio import CapacityLimiter, Lock, fail_after, to_thread

from cdr_pipeline.api.refusals import busy

# Files that are loaded at a time; they compete for the same disks.
_AT_A_TIME: Final = 4
# Seconds that a request waits for its turn, and after which a refused one is sent again.
_WAIT_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 30

_Result = TypeVar("_Result")


class UploadQueue:
    """Runs the loads of one process. Bodies wait on disk."""

    def __init__(self) -> None:
        self._threads = CapacityLimiter(_AT_A_TIME)
        self._turns: dict[str, tuple[Lock, int]] = {}

    async def run(self, account_id: str, load: Callable[..., _Result], *args: object) -> _Result:
        """Runs a load when no other one of the account is running.

        Args:
            account_id: account of the token that sent the file.
            load: function that loads it.
            args: its arguments.

        Raises:
            RequestRefused: 503, the account's other files take too long.
        """
        async with self._turn(account_id):
            return await to_thread.run_sync(partial(load, *args), limiter=self._threads)

    @asynccontextmanager
    async def _turn(self, account_id: str) -> AsyncGenerator[None]:
        lock, users = self._turns.get(account_id, (Lock(), 0))
        self._turns[account_id] = (lock, users + 1)
        try:
            try:
                with fail_after(_WAIT_SECONDS):
                    await lock.acquire()
            except TimeoutError:
                raise busy("other files of this account are being loaded", _RETRY_SECONDS) from None
            try:
                yield
            finally:
                lock.release()
        finally:
            lock, users = self._turns.pop(account_id)
            if users > 1:
                self._turns[account_id] = (lock, users - 1)
