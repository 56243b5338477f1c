"""Sends changes to webhooks in the background of the server. All workers look; a claim keeps them apart."""

import asyncio
import logging
from threading import Event
from typing import Final

from anyio import CapacityLimiter, to_thread

from cdr_pipeline.errors import CdrError
from cdr_pipeline.steps.accounts.send_webhooks import SentWebhooks, send_webhooks
from cdr_pipeline.steps.run_context import RunContext

# Seconds that the current messages may take to end.
_STOP_SECONDS: Final = 12.0
_log = logging.getLogger(__name__)


class WebhookSender:
    """Looks for changes to send every few seconds, at once again while some are left.

    Args:
        ctx: settings, warehouse and clock.
    """

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        self._pause = ctx.settings.webhook_seconds
        self._stopped = Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look, unless the settings leave that to a command."""
        if self._pause:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ends after the current messages."""
        self._stopped.set()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_STOP_SECONDS)

    async def _run(self) -> None:
        limiter = CapacityLimiter(1)
        while not self._stopped.is_set():
            sent = SentWebhooks()
            try:
                sent = await to_thread.run_sync(self._send, limiter=limiter)
            except CdrError as error:
                _log.warning("webhooks could not be sent: %s", error.code)
            except Exception:  # noqa: BLE001 - the task has no caller; the next look tries again
                _log.exception("webhooks could not be sent")
            if not sent.unfinished:
                try:
                    await asyncio.wait_for(self._wake.wait(), self._pause)
                except TimeoutError:
                    continue

    def _send(self) -> SentWebhooks:
        return send_webhooks(self._ctx, stopped=self._stopped.is_set)
