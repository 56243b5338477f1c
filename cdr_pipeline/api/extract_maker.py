"""Makes extracts in the background of the server. All workers look; a claim keeps them apart.

Several files are open at a time and take turns, one slice each, so that a long one does not hold up a short one.
"""

import asyncio
import logging
import time
from typing import Final, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Request

from cdr_pipeline.api.background import BackgroundLook
from cdr_pipeline.api.extract_requests import extract_search
from cdr_pipeline.errors import CdrError
from cdr_pipeline.steps.records.extracts import clear_extracts, clear_strays
from cdr_pipeline.steps.records.making_extracts import Making, MakingStopped, claim_extract
from cdr_pipeline.steps.run_context import RunContext

# Files that are open at a time, and slices that are read at a time.
_OPEN: Final = 8
_AT_A_TIME: Final = 2
# Seconds between two deletions of files that have expired, and of files that no extract knows.
_CLEAR_SECONDS: Final = 30.0
_STRAY_SECONDS: Final = 3_600.0
# Seconds that the current slices may take to stop.
_STOP_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


def extract_maker_of(request: Request) -> "ExtractMaker":
    """The maker of the application that handles the request."""
    return cast("ExtractMaker", request.app.state.extract_maker)


class ExtractMaker:
    """Looks for extracts to make every few seconds, unless the settings leave that to other processes.

    Args:
        ctx: settings, warehouse and clock.
    """

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        self._makings: dict[Making, asyncio.Task[None]] = {}
        self._slots = CapacityLimiter(_AT_A_TIME)
        self._threads = CapacityLimiter(_OPEN)
        self._is_stopped = False
        self._cleared_at = self._strays_cleared_at = float("-inf")
        self._work = BackgroundLook("extracts could not be made", self._look, ctx.settings.serve_extract_seconds)

    def start(self) -> None:
        """Begins to look."""
        self._work.start()

    def wake(self) -> None:
        """Looks at once, as after a request."""
        self._work.wake()

    async def stop(self) -> None:
        """Stops after the current rows; other processes make the files again."""
        self._is_stopped = True
        await self._work.stop(_STOP_SECONDS)
        makings = dict(self._makings)
        for making in makings:
            await to_thread.run_sync(making.stop, limiter=self._threads)
        if makings:
            await asyncio.wait(makings.values(), timeout=_STOP_SECONDS)

    async def _look(self) -> bool:
        for making in list(self._makings):
            await to_thread.run_sync(making.keep, limiter=self._threads)
        await self._clear()
        while len(self._makings) < _OPEN and not self._is_stopped:
            making = await to_thread.run_sync(claim_extract, self._ctx, limiter=self._threads)
            if making is None:
                break
            self._makings[making] = asyncio.get_running_loop().create_task(self._make(making))
        return False

    async def _clear(self) -> None:
        now = time.monotonic()
        if now - self._strays_cleared_at >= _STRAY_SECONDS:
            await to_thread.run_sync(clear_strays, self._ctx, limiter=self._threads)
            self._strays_cleared_at = now
        if now - self._cleared_at >= _CLEAR_SECONDS:
            await to_thread.run_sync(clear_extracts, self._ctx, limiter=self._threads)
            self._cleared_at = now

    async def _make(self, making: Making) -> None:
        extract_id = making.extract.extract_id
        try:
            try:
                await to_thread.run_sync(self._begin, making, limiter=self._slots)
                while await to_thread.run_sync(making.step, limiter=self._slots):
                    pass
            except MakingStopped:
                await to_thread.run_sync(making.give_back, limiter=self._threads)
            except Exception as error:  # noqa: BLE001 - the state of the extract has it
                await to_thread.run_sync(making.fail, error, limiter=self._threads)
        except CdrError as error:
            # Its claim ends, and it is made again.
            _log.warning("the state of extract %s could not be recorded: %s", extract_id, error.code)
        finally:
            await to_thread.run_sync(making.close, limiter=self._threads)
            del self._makings[making]
            # One extract of an owner is made at a time: the next one can begin.
            self.wake()

    def _begin(self, making: Making) -> None:
        extract = making.extract
        with self._ctx.ledger() as ledger:
            (account,) = ledger.accounts.active([extract.account_id])
        making.begin(extract_search(extract.request, account, extract.created_at))
