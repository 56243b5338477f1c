"""Errors of the places where carriers put files."""

from cdr_pipeline.errors.base import CdrError


class InboundError(CdrError):
    """A place of inbound.toml failed, or a file there was not fetched."""

    code = "inbound"
    exit_code = 16


class InboundUnavailable(InboundError):
    """A place of inbound.toml cannot be reached or broke off; the next run continues."""

    code = "inbound_unavailable"
    retryable = True


class InboundFileChanged(InboundUnavailable):
    """A file at a place changed or disappeared while it was fetched; the next run fetches it."""

    code = "inbound_file_changed"


class InboundRefused(InboundError):
    """A place of inbound.toml refuses the login, or its host key or certificate is not valid."""

    code = "inbound_refused"


class InboundFileRefused(InboundError):
    """A file at a place is too large, has an unsafe name or no account, or differs from its manifest."""

    code = "inbound_file_refused"
