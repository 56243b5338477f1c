"""Sends changes to webhooks in the background of the server. All workers look; a claim keeps them apart."""

from threading import Event
from typing import Final

from anyio import CapacityLimiter, to_thread

from cdr_pipeline.api.background import BackgroundLook
from cdr_pipeline.api.metrics import Metrics
from cdr_pipeline.steps.accounts.send_webhooks import SentWebhooks, send_webhooks
from cdr_pipeline.steps.run_context import RunContext

# Seconds that the current messages may take to end.
_STOP_SECONDS: Final = 12.0


class WebhookSender:
    """Looks for changes to send every few seconds, unless the settings leave that to a command.

    Args:
        ctx: settings, warehouse and clock.
        metrics: counts the attempts.
    """

    def __init__(self, ctx: RunContext, metrics: Metrics) -> None:
        self._ctx = ctx
        self._metrics = metrics
        self._stopped = Event()
        self._threads = CapacityLimiter(1)
        self._work = BackgroundLook("webhooks could not be sent", self._look, ctx.settings.webhook_seconds)

    def start(self) -> None:
        """Begins to look."""
        self._work.start()

    async def stop(self) -> None:
        """Ends after the current messages."""
        self._stopped.set()
        await self._work.stop(_STOP_SECONDS)

    async def _look(self) -> bool:
        sent = await to_thread.run_sync(self._send, limiter=self._threads)
        self._metrics.note_webhooks(sent.accepted, sent.failed)
        return bool(sent.unfinished)

    def _send(self) -> SentWebhooks:
        return send_webhooks(self._ctx, stopped=self._stopped.is_set)
