"""Registers, shows, replays and removes webhooks."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from cdr_pipeline.errors import ConfigurationError, TooManyWebhooks, WebhookNotFound
from cdr_pipeline.steps.accounts.webhook_receiver import SECRET_PREFIX
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.changes import ChangeKind
from cdr_pipeline.warehouse.accounts.webhooks import DeadLetter, Webhook
from cdr_pipeline.warehouse.ledger import Ledger

KINDS: Final[tuple[ChangeKind, ...]] = get_args(ChangeKind)
MOST_OF_ACCOUNT: Final = 20
LONGEST_URL: Final = 2_000
_LONGEST_LABEL: Final = 100
_SECRET_BYTES: Final = 32
_SHOWN_DEAD: Final = 1_000

WebhookState = Literal["working", "failing", "stopped"]


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A webhook to register.

    Attributes:
        account_id: account whose changes are sent.
        url: address of the receiver.
        kinds: kinds of changes; none for all.
        label: display name.
        after: number of the change after which it begins; None for the newest one.
    """

    account_id: str
    url: str
    kinds: tuple[str, ...] = ()
    label: str = ""
    after: int | None = None


def register_webhook(request: WebhookRequest, ctx: RunContext) -> Webhook:
    """Registers an address. Its changes begin with the next one of the account.

    Raises:
        AccountNotFound: the account is not registered.
        ConfigurationError: the address, a kind or the label is invalid.
        TooManyWebhooks: the account has as many as allowed.
    """
    _require_address(request.url, ctx)
    if unknown := [kind for kind in request.kinds if kind not in KINDS]:
        raise ConfigurationError(f"no change is of kind {unknown[0]!r}", hint=f"kinds: {', '.join(KINDS)}")
    if len(request.label) > _LONGEST_LABEL:
        raise ConfigurationError(f"a label has at most {_LONGEST_LABEL} characters")
    webhook_id = secrets.token_hex(8)
    with ctx.ledger() as ledger, ledger.transaction():
        (account,) = ledger.accounts.active([request.account_id])
        if len(ledger.webhooks.webhooks([account.account_id])) >= MOST_OF_ACCOUNT:
            raise TooManyWebhooks(
                f"an account has at most {MOST_OF_ACCOUNT} webhooks", hint="remove one that is not used"
            )
        newest = (ledger.changes.bounds(account.account_id) or (1, 0))[1]
        ledger.webhooks.add(
            account.account_id,
            webhook_id,
            request.url,
            kinds=set(request.kinds),
            label=request.label,
            secret=_new_secret(),
            position=newest if request.after is None else min(request.after, newest),
            now=ctx.clock(),
        )
        return ledger.webhooks.webhooks(webhook_id=webhook_id)[0]


def webhooks_of(accounts: Sequence[str] | None, ctx: RunContext) -> list[Webhook]:
    """Webhooks of accounts, or of all accounts, by account and age."""
    with ctx.ledger() as ledger:
        return ledger.webhooks.webhooks(accounts)


def webhook_of(webhook_id: str, account_id: str | None, ctx: RunContext) -> Webhook:
    """The webhook of an id.

    Raises:
        WebhookNotFound: the account, or any account if none is given, has no such webhook.
    """
    with ctx.ledger() as ledger:
        found = ledger.webhooks.webhooks(None if account_id is None else [account_id], webhook_id=webhook_id)
    if not found:
        raise WebhookNotFound("no webhook of this id", hint="'cdr-pipeline webhooks list' shows the ids")
    return found[0]


def dead_letters_of(webhook_id: str, account_id: str | None, ctx: RunContext) -> list[DeadLetter]:
    """The first thousand changes that could not be sent, oldest first. Raises WebhookNotFound."""
    webhook_of(webhook_id, account_id, ctx)
    with ctx.ledger() as ledger:
        return ledger.webhooks.dead_letters(webhook_id, most=_SHOWN_DEAD)


def replay_webhook(webhook_id: str, account_id: str | None, after: int | None, ctx: RunContext) -> Webhook:
    """Sends dead letters again, and resumes a stopped webhook.

    Args:
        webhook_id: the webhook.
        account_id: account that must own it; None for any.
        after: number of a change; all later ones are sent again too. None to go on where it was.
        ctx: settings, warehouse and clock.

    Raises:
        WebhookNotFound: no webhook has the id.
    """
    hook = webhook_of(webhook_id, account_id, ctx)
    position = None if after is None else min(after, hook.position)
    with ctx.ledger() as ledger:
        ledger.webhooks.replay(webhook_id, position=position, now=ctx.clock())
    return webhook_of(webhook_id, account_id, ctx)


def rotate_webhook(webhook_id: str, account_id: str | None, overlap: timedelta, ctx: RunContext) -> Webhook:
    """Gives a webhook a new secret; both sign during the overlap. Raises WebhookNotFound."""
    webhook_of(webhook_id, account_id, ctx)
    with ctx.ledger() as ledger:
        ledger.webhooks.rotate(webhook_id, _new_secret(), former_until=ctx.clock() + overlap)
    return webhook_of(webhook_id, account_id, ctx)


def remove_webhook(webhook_id: str, account_id: str | None, ctx: RunContext) -> Webhook:
    """Removes a webhook with its dead letters. Raises WebhookNotFound."""
    hook = webhook_of(webhook_id, account_id, ctx)
    with ctx.ledger() as ledger:
        ledger.webhooks.remove(webhook_id)
    return hook


def state_of(hook: Webhook) -> WebhookState:
    """Whether changes arrive: ``working``; ``failing``, sent again or dead letters; ``stopped`` until a replay."""
    if hook.stopped_at is not None:
        return "stopped"
    return "failing" if hook.attempts or hook.dead_letters else "working"


def waiting_changes(hooks: Sequence[Webhook], ledger: Ledger) -> list[datetime]:
    """Time of the oldest change that waits for each webhook that has one."""
    positions: dict[str, int] = {}
    for hook in hooks:
        positions[hook.account_id] = min(hook.position, positions.get(hook.account_id, hook.position))
    newest = ledger.webhooks.newest_changes(positions) if hooks else {}
    behind = [hook for hook in hooks if newest.get(hook.account_id, 0) > hook.position]
    found = [ledger.changes.after(hook.account_id, hook.position, most=1) for hook in behind]
    return [changes[0].happened_at for changes in found if changes]


def shown(hook: Webhook) -> dict[str, Any]:
    """A webhook as JSON values, without its secret."""
    return {
        "webhook_id": hook.webhook_id,
        "account_id": hook.account_id,
        "url": hook.url,
        "kinds": hook.kinds or list(KINDS),
        "label": hook.label,
        "state": state_of(hook),
        "position": hook.position,
        "attempts": hook.attempts,
        "dead_letters": hook.dead_letters,
        "created_at": hook.created_at.isoformat(),
        "delivered_at": _text(hook.delivered_at),
        "next_attempt_at": _text(hook.next_attempt_at if hook.attempts else None),
        "error": hook.error,
    }


def host_of(url: str) -> str:
    """Scheme and host of an address. Its path and query may be secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _require_address(url: str, ctx: RunContext) -> None:
    """Raises ConfigurationError, which does not repeat the address."""
    schemes = ("https", "http") if ctx.settings.allowed_webhook_networks else ("https",)
    try:
        parts = urlsplit(url)
        fits = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
        parts = urlsplit("")
    if not fits or not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST_URL:
        raise ConfigurationError(
            f"the address of a webhook must be an {' or '.join(schemes)} URL of at most {LONGEST_URL} characters",
            hint="http needs CDR_WEBHOOK_NETWORKS with the network of the receiver" if len(schemes) == 1 else "",
        )
    if parts.username or parts.password or parts.fragment:
        raise ConfigurationError(
            "the address of a webhook must not have a user, a password or a fragment",
            hint="the receiver checks the signature instead",
        )
