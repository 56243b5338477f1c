"""Problems of webhooks: changes that were not accepted, and changes that are not sent."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from cdr_pipeline.core.charts.composed_text import ComposedText, counted
from cdr_pipeline.steps.operations.health.problem import Problem, titled
from cdr_pipeline.warehouse.accounts.webhooks import Webhook
from cdr_pipeline.warehouse.ledger import Ledger

# Age of a change that was not accepted from which it is a problem; the first four attempts take three minutes.
_UNHEARD: Final = timedelta(minutes=15)


def webhook_problems(ledger: Ledger, names: Mapping[str, str], now: datetime) -> Iterator[Problem]:
    """Webhooks that are stopped, have dead letters, or have changes that wait."""
    hooks = [hook for hook in ledger.webhooks.webhooks() if hook.account_id in names]
    positions: dict[str, int] = {}
    for hook in hooks:
        positions[hook.account_id] = min(hook.position, positions.get(hook.account_id, hook.position))
    newest = ledger.webhooks.newest_changes(positions) if hooks else {}
    for hook in hooks:
        account = titled(hook.account_id, names)
        about = f"webhook {hook.webhook_id}"
        if hook.stopped_at is not None:
            yield Problem(
                ComposedText(
                    "webhook {webhook} of account {account} is stopped: {cause}",
                    webhook=hook.webhook_id,
                    account=account,
                    cause=hook.error or "",
                ),
                "webhook_stopped",
                hook.stopped_at,
                f"cdr-pipeline webhooks replay {hook.webhook_id}",
                about,
            )
            continue
        if hook.dead_letters:
            yield Problem(
                ComposedText(
                    "webhook {webhook} of account {account}: {changes} not accepted",
                    webhook=hook.webhook_id,
                    account=account,
                    changes=counted(hook.dead_letters, "{count} change", "{count} changes"),
                ),
                "webhook_dead_letters",
                ledger.webhooks.dead_letters(hook.webhook_id, most=1)[0].failed_at,
                f"cdr-pipeline webhooks dead-letters {hook.webhook_id}",
                about,
                otherwise=f"cdr-pipeline webhooks replay {hook.webhook_id}",
            )
        if newest.get(hook.account_id, 0) > hook.position:
            yield from _waiting(hook, account, ledger, now)


def _waiting(hook: Webhook, account: str, ledger: Ledger, now: datetime) -> Iterator[Problem]:
    """A change that should have arrived long ago: the receiver does not accept it, or it is not sent."""
    (change,) = ledger.changes.after(hook.account_id, hook.position, most=1) or (None,)
    if change is None or now - change.happened_at <= _UNHEARD:
        return
    yield Problem(
        ComposedText(
            "webhook {webhook} of account {account}: changes wait: {cause}",
            webhook=hook.webhook_id,
            account=account,
            cause=hook.error or ComposedText("not yet sent"),
        ),
        "webhook_behind",
        change.happened_at,
        "cdr-pipeline webhooks send",
        f"webhook {hook.webhook_id}",
    )
