"""Errors of the switch's API."""

from cdr_pipeline.errors.base import CdrError


class UpstreamError(CdrError):
    """The switch's API failed or returned an unusable response."""

    code = "upstream"
    exit_code = 4
    http_status = 502


class TransientUpstreamError(UpstreamError):
    """Temporary failure: timeout, 429, 5xx or an incomplete page."""

    code = "upstream_transient"
    retryable = True

    def __init__(self, message: str, *, hint: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class WindowTooHeavy(TransientUpstreamError):
    """A gateway in front of the switch timed out on a window; half of it may work."""

    code = "upstream_window_too_heavy"


class WindowOutdated(TransientUpstreamError):
    """A window was read in the dialect that the switch had before an upgrade; it must be read again."""

    code = "upstream_window_outdated"


class ReplyTooLarge(WindowTooHeavy):
    """A response exceeds the size limit; half of the window may work, the same window never will."""

    code = "upstream_reply_too_large"
    retryable = False


class PermanentUpstreamError(UpstreamError):
    """The switch refused; a retry does not help."""

    code = "upstream_permanent"


class UpstreamAuthError(PermanentUpstreamError):
    """The switch refused the credentials."""

    code = "upstream_auth"


class UpstreamAccountNotFound(PermanentUpstreamError):
    """The account does not exist on the switch, or not in this API version."""

    code = "upstream_account_not_found"


class UpstreamProtocolError(PermanentUpstreamError):
    """The switch's response violates the protocol and cannot be trusted."""

    code = "upstream_protocol"


class DialectChanged(PermanentUpstreamError):
    """The version of the switch does not match the dialect of the request: windows may lack records."""

    code = "upstream_dialect"


class CallTooLong(PermanentUpstreamError):
    """A call over the end of a month is longer than the search for such calls: similar calls may be missing."""

    code = "upstream_call_too_long"
