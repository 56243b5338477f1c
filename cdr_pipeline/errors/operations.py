"""Errors of nights, check-ups and alerts."""

from cdr_pipeline.errors.base import CdrError


class IncompleteNight(CdrError):
    """Some accounts failed; the others are done. The message names the failed ones."""

    code = "incomplete_night"
    exit_code = 9


class ProblemsFound(CdrError):
    """A check-up found problems that need manual action; each is printed with its command."""

    code = "something_is_broken"
    exit_code = 11


class AlertNotSent(CdrError):
    """An alert could not be sent; the message names the channel, never its address."""

    code = "alert_not_sent"
    retryable = True
    exit_code = 12
