"""Sends changes of accounts to their webhooks: each at least once, in order per webhook.

A change that the receiver does not accept is sent again with growing pauses; later ones wait for it. After the last
attempt it becomes a dead letter and the next one is sent. After three dead letters in a row the webhook is stopped.
A sender claims a webhook for a minute at a time, so that a process that dies holds it up no longer.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from cdr_pipeline.errors import CdrError, ClaimLost
from cdr_pipeline.steps.accounts.list_changes import shown_change
from cdr_pipeline.steps.accounts.webhook_receiver import SECONDS, Message, Receiver
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.webhooks import Webhook, body_of
from cdr_pipeline.warehouse.ledger import Ledger

# Seconds before each further attempt; the change is a dead letter after the last one, sixteen hours after the first.
PAUSES: Final = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800)
DEAD_IN_A_ROW: Final = 3
_CLAIM: Final = timedelta(seconds=6 * SECONDS)
# Webhooks that are sent to at a time; seconds and changes of one webhook before others have their turn.
_AT_A_TIME: Final = 8
_TURN_SECONDS: Final = 30.0
_PAGE: Final = 100
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SentWebhooks:
    """What was sent: accepted changes, webhooks that did not accept one, and webhooks with changes left for later."""

    accepted: int = 0
    failed: int = 0
    unfinished: int = 0

    def __add__(self, other: "SentWebhooks") -> "SentWebhooks":
        return SentWebhooks(
            self.accepted + other.accepted, self.failed + other.failed, self.unfinished + other.unfinished
        )


def send_webhooks(ctx: RunContext, *, stopped: Callable[[], bool] = lambda: False) -> SentWebhooks:
    """Sends what is due once to each webhook, to several at a time.

    Args:
        ctx: settings, warehouse and clock.
        stopped: returns whether to end after the current messages.
    """
    with ctx.ledger() as ledger:
        due = _due(ledger, ctx)
    if not due:
        return SentWebhooks()
    with ThreadPoolExecutor(min(_AT_A_TIME, len(due))) as threads:
        results = list(threads.map(partial(_send_safely, ctx=ctx, stopped=stopped), due))
    return sum(results, SentWebhooks())


def _due(ledger: Ledger, ctx: RunContext) -> list[Webhook]:
    """Webhooks with changes or replays that wait, and whose pause is over."""
    now = ctx.clock()
    hooks = [hook for hook in ledger.webhooks.webhooks() if hook.stopped_at is None and hook.next_attempt_at <= now]
    positions: dict[str, int] = {}
    for hook in hooks:
        positions[hook.account_id] = min(hook.position, positions.get(hook.account_id, hook.position))
    newest = ledger.webhooks.newest_changes(positions) if hooks else {}
    return [hook for hook in hooks if hook.replays or newest.get(hook.account_id, 0) > hook.position]


def _send_safely(hook: Webhook, *, ctx: RunContext, stopped: Callable[[], bool]) -> SentWebhooks:
    try:
        with ctx.ledger() as ledger:
            return _Turn(hook, ledger, ctx, stopped).run()
    except CdrError as error:
        # Another process, or the next look, continues when the claim has ended.
        _log.warning("webhook %s was not sent to: %s", hook.webhook_id, error.code)
        return SentWebhooks(failed=1)


class _Turn:
    """One turn of one webhook, with a claim of its own."""

    def __init__(self, hook: Webhook, ledger: Ledger, ctx: RunContext, stopped: Callable[[], bool]) -> None:
        self._hook = hook
        self._ledger = ledger
        self._ctx = ctx
        self._stopped = stopped
        self._claim = secrets.token_hex(8)
        self._ends_at = time.monotonic() + _TURN_SECONDS

    def run(self) -> SentWebhooks:
        """Sends until nothing is left, an attempt fails, or the turn is over."""
        if not self._extend():
            return SentWebhooks()
        webhooks = self._ledger.webhooks
        try:
            # Another sender may have moved it between the list and the claim.
            found = webhooks.webhooks(webhook_id=self._hook.webhook_id)
            if not found or found[0].stopped_at is not None or found[0].next_attempt_at > self._ctx.clock():
                return SentWebhooks()
            self._hook = found[0]
            with Receiver(self._hook.url, self._ctx.settings.allowed_webhook_networks) as receiver:
                replayed = self._replay(receiver)
                return replayed if replayed.failed else replayed + self._follow(receiver)
        finally:
            webhooks.release(self._hook.webhook_id, self._claim)

    def _replay(self, receiver: Receiver) -> SentWebhooks:
        """Sends dead letters again, in their order; the first that fails stays one, with the later ones."""
        webhooks, accepted = self._ledger.webhooks, 0
        while letters := webhooks.dead_letters(self._hook.webhook_id, replay=True, most=1):
            if self._over():
                return SentWebhooks(accepted, unfinished=1)
            (letter,) = letters
            body = body_of(letter.body)
            error = self._attempt(receiver, letter.change_no, body)
            if error is None:
                webhooks.remove_dead(self._hook.webhook_id, letter.change_no)
                accepted += 1
                continue
            webhooks.keep_dead(
                self._hook.webhook_id, letter.change_no, body, attempts=1, error=error, now=self._ctx.clock()
            )
            return SentWebhooks(accepted, failed=1)
        return SentWebhooks(accepted)

    def _follow(self, receiver: Receiver) -> SentWebhooks:
        """Sends the changes after the position."""
        accepted = 0
        while True:
            bodies = self._bodies()
            if not bodies:
                return SentWebhooks(accepted)
            for change_no, body in bodies:
                if self._over():
                    return SentWebhooks(accepted, unfinished=1)
                error = None if body is None else self._attempt(receiver, change_no, body)
                if error is not None and body is not None:
                    self._note_failure(change_no, body, error)
                    return SentWebhooks(accepted, failed=1)
                delivered_at = None if body is None else self._ctx.clock()
                if not self._ledger.webhooks.advance(
                    self._hook.webhook_id, self._claim,
                    before=self._hook.position, position=change_no, delivered_at=delivered_at,
                ):  # fmt: skip
                    return SentWebhooks(accepted, unfinished=1)
                accepted += body is not None
                self._hook = replace(self._hook, position=change_no, attempts=0)

    def _bodies(self) -> list[tuple[int, bytes | None]]:
        """The next changes with their bodies; None for a change that is not for this webhook."""
        hook = self._hook
        first, _ = self._ledger.changes.bounds(hook.account_id) or (1, 0)
        if hook.position < first - 1:
            return [(first - 1, self._body({"change": first - 1, "kind": "gone", "first": first}))]
        changes = self._ledger.changes.after(hook.account_id, hook.position, most=_PAGE)
        return [
            (
                change.change_no,
                self._body(shown_change(change)) if not hook.kinds or change.kind in hook.kinds else None,
            )
            for change in changes
        ]

    def _body(self, change: dict[str, Any]) -> bytes:
        return body_of({"account_id": self._hook.account_id, "webhook_id": self._hook.webhook_id} | change)

    def _attempt(self, receiver: Receiver, change_no: int, body: bytes) -> str | None:
        now, hook = self._ctx.clock(), self._hook
        keys = [hook.secret]
        if hook.former_secret is not None and hook.former_until is not None and now < hook.former_until:
            keys.append(hook.former_secret)
        if not self._extend():
            raise ClaimLost("another process sends to this webhook")
        # A restored warehouse uses numbers again, for other changes.
        digest = hashlib.sha256(body).hexdigest()[:16]
        return receiver.send(Message(f"{hook.webhook_id}.{change_no}.{digest}", body), keys, now)

    def _note_failure(self, change_no: int, body: bytes, error: str) -> None:
        hook, webhooks, now = self._hook, self._ledger.webhooks, self._ctx.clock()
        _log.warning("webhook %s did not accept change %d: %s", hook.webhook_id, change_no, error)
        if hook.attempts < len(PAUSES):
            pause = timedelta(seconds=PAUSES[hook.attempts])
            webhooks.postpone(hook.webhook_id, self._claim, next_attempt_at=now + pause, error=error)
            return
        stop = hook.buried + 1 >= DEAD_IN_A_ROW
        buried = webhooks.bury(
            hook, self._claim, change_no=change_no, body=body, next_attempt_at=now, error=error, stop=stop, now=now
        )
        if buried and stop:
            _log.error("webhook %s is stopped: %d changes in a row failed", hook.webhook_id, DEAD_IN_A_ROW)

    def _extend(self) -> bool:
        now = self._ctx.clock()
        return self._ledger.webhooks.claim(self._hook.webhook_id, self._claim, now=now, until=now + _CLAIM)

    def _over(self) -> bool:
        return self._stopped() or time.monotonic() >= self._ends_at
