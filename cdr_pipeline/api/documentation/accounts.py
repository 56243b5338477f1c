"""The OpenAPI document about accounts, their changes and webhooks."""

from typing import Any, Final

from cdr_pipeline.api import examples
from cdr_pipeline.api.documentation.groups import ACCEPT, Group, body_of
from cdr_pipeline.api.models.accounts import AccountAbove, AccountBody, AccountNode
from cdr_pipeline.api.models.days import ChangeBody
from cdr_pipeline.api.models.envelopes import ChangesEnvelope, PagedEnvelope, enveloped
from cdr_pipeline.api.models.logins import PortalApp, PortalUser
from cdr_pipeline.api.models.tokens import ROTATION_SCHEMA
from cdr_pipeline.api.models.webhooks import REPLAY_SCHEMA, WEBHOOK_SCHEMA, DeadLetterBody, NewWebhook, WebhookBody
from cdr_pipeline.api.parameters import ChangesQuery, StartQuery, documented

ACCOUNT: Final = Group(enveloped("AccountDetail", AccountBody), [ACCEPT], example=examples.ACCOUNT)
ACCOUNTS: Final = Group(
    enveloped("Accounts", list[AccountNode], PagedEnvelope), [ACCEPT, *documented(StartQuery)], example=[examples.NODE]
)
TREE: Final = Group(enveloped("AccountTree", list[AccountAbove]), [ACCEPT], example=[{"id": "a1", "name": "Reseller"}])
NOTHING: Final = Group(enveloped("EmptyList", list[dict[str, Any]]), [ACCEPT], example=[])
PORTAL_USER: Final = Group(enveloped("OwnUser", PortalUser), [ACCEPT], example=examples.PORTAL_USER)
PORTAL_APPS: Final = Group(enveloped("PortalApps", list[PortalApp]), [ACCEPT], example=[examples.PORTAL_APP])
WEBHOOKS: Final = Group(enveloped("Webhooks", list[WebhookBody]), [ACCEPT], example=[examples.WEBHOOK], codes=(403,))
WEBHOOK: Final = Group(enveloped("WebhookDetail", WebhookBody), [ACCEPT], example=examples.WEBHOOK, codes=(403,))
NEW_WEBHOOK: Final = Group(
    enveloped("WebhookCreated", NewWebhook),
    [],
    example=examples.NEW_WEBHOOK,
    codes=(403, 408, 409, 413),
    status=201,
    csv=False,
    extra=body_of(WEBHOOK_SCHEMA, {"url": "https://billing.example/cdr-changes", "kinds": ["sealed", "restated"]}),
)
ROTATED_WEBHOOK: Final = Group(
    enveloped("WebhookRotated", NewWebhook),
    [],
    example=examples.NEW_WEBHOOK,
    codes=(403, 408, 413),
    csv=False,
    extra=body_of(ROTATION_SCHEMA, {"overlap_hours": 24}),
)
REPLAYED_WEBHOOK: Final = Group(
    enveloped("WebhookReplayed", WebhookBody),
    [ACCEPT],
    example=examples.WEBHOOK,
    codes=(403, 408, 413),
    extra=body_of(REPLAY_SCHEMA, {"after": 40}),
)
DEAD_LETTERS: Final = Group(
    enveloped("DeadLetters", list[DeadLetterBody]), [ACCEPT], example=[examples.DEAD_LETTER], codes=(403,)
)
CHANGES: Final = Group(
    enveloped("Changes", list[ChangeBody], ChangesEnvelope),
    [*documented(ChangesQuery), ACCEPT],
    example=[examples.CHANGE],
    more={"newest": 43},
    codes=(410,),
)
