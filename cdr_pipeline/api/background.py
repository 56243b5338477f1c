"""Work in the background of the server: a look every few seconds, until the server ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cdr_pipeline.errors import CdrError

_log = logging.getLogger(__name__)


class BackgroundLook:
    """Looks for work every few seconds, at once again while some is left. A look that fails is tried again.

    Args:
        name: what it does, for the log.
        look: one look; returns whether work is left.
        pause: seconds between two looks; 0 for none at all.
    """

    def __init__(self, name: str, look: Callable[[], Awaitable[bool]], pause: float) -> None:
        self._name = name
        self._look = look
        self._pause = pause
        self._is_stopped = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look, unless the pause is 0."""
        if self._pause:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Looks at once."""
        self._wake.set()

    async def stop(self, seconds: float) -> None:
        """Ends after the current look, which may take so many seconds."""
        self._is_stopped = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)

    async def _run(self) -> None:
        while not self._is_stopped:
            is_left = False
            self._wake.clear()
            try:
                is_left = await self._look()
            except CdrError as error:
                _log.warning("%s: %s", self._name, error.code)
            except Exception:  # noqa: BLE001 - the task has no caller; the next look tries again
                _log.exception("%s: unexpected error", self._name)
            if not is_left and not self._is_stopped:
                try:
                    await asyncio.wait_for(self._wake.wait(), self._pause)
                except TimeoutError:
                    continue
