"""Errors of accounts."""

from cdr_pipeline.errors.base import CdrError


class AccountNotFound(CdrError):
    """The account is not registered."""

    code = "account_not_found"
    exit_code = 6
    http_status = 404


class SignInRefused(CdrError):
    """The name, password or link of a user of the console is not valid."""

    code = "sign_in_refused"
    exit_code = 2
    http_status = 401


class ChangesGone(CdrError):
    """Changes after the one that a client knows are not kept any more, or its number is unknown."""

    code = "changes_gone"
    exit_code = 2
    http_status = 410


class WebhookNotFound(CdrError):
    """The account has no webhook of this id."""

    code = "webhook_not_found"
    exit_code = 2
    http_status = 404


class TooManyWebhooks(CdrError):
    """The account has as many webhooks as allowed; nothing was registered."""

    code = "too_many_webhooks"
    exit_code = 2
    http_status = 409


class WebhookNotDelivered(CdrError):
    """A webhook did not accept a change; it is sent again, or is a dead letter."""

    code = "webhook_not_delivered"
    exit_code = 12
    retryable = True
