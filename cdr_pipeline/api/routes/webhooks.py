"""Routes of webhooks: register an address for the changes of an account, list, replay, rotate, remove."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cdr_pipeline.api.answers import answer, request_id, response_type
from cdr_pipeline.api.auth import Caller, administrator
from cdr_pipeline.api.bodies import parsed, read_small
from cdr_pipeline.api.documentation.accounts import (
    DEAD_LETTERS,
    NEW_WEBHOOK,
    REPLAYED_WEBHOOK,
    ROTATED_WEBHOOK,
    WEBHOOK,
    WEBHOOKS,
)
from cdr_pipeline.api.documentation.groups import described
from cdr_pipeline.api.envelope import JSON, success
from cdr_pipeline.api.models.tokens import RotationRequest
from cdr_pipeline.api.models.webhooks import (
    DeadLetterBody,
    NewWebhook,
    WebhookBody,
    WebhookReplayRequest,
    WebhookWishRequest,
)
from cdr_pipeline.api.refusals import invalid
from cdr_pipeline.api.service import service_of
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.accounts.webhooks import (
    WebhookRequest,
    dead_letters_of,
    register_webhook,
    remove_webhook,
    replay_webhook,
    rotate_webhook,
    shown,
    webhook_of,
    webhooks_of,
)
from cdr_pipeline.warehouse.accounts.webhooks import DeadLetter, Webhook

router = APIRouter(tags=["webhooks"])
Administrator = Annotated[Caller, Depends(administrator)]


@router.get("/accounts/{account_id}/webhooks", summary="List webhooks", **described(WEBHOOKS))
async def list_webhooks(request: Request, caller: Administrator) -> Response:
    """Webhooks of an account, with what they have received; never their secrets."""
    media = response_type(request)
    hooks = await service_of(request).read(webhooks_of, [caller.account.account_id])
    return answer(request, media, [_shown(hook) for hook in hooks], name="webhooks")


@router.put("/accounts/{account_id}/webhooks", status_code=201, summary="Register", **described(NEW_WEBHOOK))
async def new_webhook(request: Request, caller: Administrator) -> Response:
    """Registers an address that each change of the account is sent to; the secret is shown once."""
    response_type(request)
    wish = parsed(WebhookWishRequest, await read_small(request)).data
    wanted = WebhookRequest(caller.account.account_id, wish.url, tuple(wish.kinds), wish.label, wish.after)
    try:
        return _created(request, await service_of(request).act(register_webhook, wanted), 201)
    except ConfigurationError as error:
        raise invalid(
            "data.url", "not_allowed", f"{error.message}; {error.hint}" if error.hint else error.message
        ) from None


@router.get("/accounts/{account_id}/webhooks/{webhook_id}", summary="State of a webhook", **described(WEBHOOK))
async def webhook_state(request: Request, caller: Administrator, webhook_id: str) -> Response:
    """A webhook, with what it has received."""
    media = response_type(request)
    hook = await service_of(request).read(webhook_of, webhook_id, caller.account.account_id)
    return answer(request, media, _shown(hook), name="webhook")


@router.get(
    "/accounts/{account_id}/webhooks/{webhook_id}/dead_letters", summary="Dead letters", **described(DEAD_LETTERS)
)
async def webhook_dead_letters(request: Request, caller: Administrator, webhook_id: str) -> Response:
    """Changes that a webhook has not accepted after ten attempts, oldest first, at most a thousand."""
    media = response_type(request)
    letters = await service_of(request).read(dead_letters_of, webhook_id, caller.account.account_id)
    return answer(request, media, [_dead(letter) for letter in letters], name="dead_letters")


@router.put("/accounts/{account_id}/webhooks/{webhook_id}/replay", summary="Send again", **described(REPLAYED_WEBHOOK))
async def replay(request: Request, caller: Administrator, webhook_id: str) -> Response:
    """Sends the dead letters again, or all changes after a number, and resumes a webhook that was stopped."""
    media = response_type(request)
    after = parsed(WebhookReplayRequest, await read_small(request)).data.after
    hook = await service_of(request).act(replay_webhook, webhook_id, caller.account.account_id, after)
    return answer(request, media, _shown(hook), name="webhook")


@router.put("/accounts/{account_id}/webhooks/{webhook_id}/rotate", summary="New secret", **described(ROTATED_WEBHOOK))
async def rotate_secret(request: Request, caller: Administrator, webhook_id: str) -> Response:
    """Gives a webhook a new secret, which is shown once; during an overlap each message has both signatures."""
    response_type(request)
    overlap = timedelta(hours=parsed(RotationRequest, await read_small(request)).data.overlap_hours)
    hook = await service_of(request).act(rotate_webhook, webhook_id, caller.account.account_id, overlap)
    return _created(request, hook, 200)


@router.delete("/accounts/{account_id}/webhooks/{webhook_id}", summary="Remove a webhook", **described(WEBHOOK))
async def remove(request: Request, caller: Administrator, webhook_id: str) -> Response:
    """Removes a webhook with its dead letters."""
    media = response_type(request)
    hook = await service_of(request).act(remove_webhook, webhook_id, caller.account.account_id)
    return answer(request, media, _shown(hook), name="webhook")


def _created(request: Request, hook: Webhook, status: int) -> Response:
    body = NewWebhook.model_validate(shown(hook) | {"secret": hook.secret}).model_dump(mode="json")
    return Response(success(body, request_id(request)), status, media_type=JSON)


def _shown(hook: Webhook) -> dict[str, object]:
    return WebhookBody.model_validate(shown(hook)).model_dump(mode="json")


def _dead(letter: DeadLetter) -> dict[str, object]:
    body = DeadLetterBody(
        change=letter.change_no,
        body=letter.body,
        attempts=letter.attempts,
        error=letter.error,
        failed_at=letter.failed_at,
        replay=letter.replay,
    )
    return body.model_dump(mode="json")
