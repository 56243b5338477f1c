"""Errors of accounts."""

from cdr_pipeline.errors.base import CdrError


class AccountNotFound(CdrError):
    """The account is not registered."""

    code = "account_not_found"
    exit_code = 6
    http_status = 404
