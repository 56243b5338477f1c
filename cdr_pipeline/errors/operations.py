"""Errors of nights, check-ups and alerts."""

from cdr_pipeline.errors.base import CdrError


class IncompleteNight(CdrError):
    """Some accounts failed; the others are done. The message names the failed ones.

    Args:
        run_id: id of the run, "" if none was started.
        cause: accounts that failed by cause, "" if the run does not say.
    """

    code = "incomplete_night"
    exit_code = 9

    def __init__(self, message: str, *, hint: str = "", run_id: str = "", cause: str = "") -> None:
        super().__init__(message, hint=hint)
        self.run_id = run_id
        self.cause = cause


class DayNotEnded(CdrError):
    """The business date has not ended in the account's time zone, so what was collected of it is incomplete."""

    code = "day_not_ended"
    exit_code = 9
    retryable = True


class DagsterStorageError(CdrError):
    """Dagster's own storage in DAGSTER_HOME is damaged, locked or away. The warehouse is not affected."""

    code = "dagster_storage"
    retryable = True
    exit_code = 15


class BackupError(CdrError):
    """A backup could not be written completely, or a backup to be restored is incomplete or damaged."""

    code = "backup"
    exit_code = 8


class ProblemsFound(CdrError):
    """A check-up found problems that need manual action; each is printed with its command."""

    code = "something_is_broken"
    exit_code = 11


class AlertNotSent(CdrError):
    """An alert could not be sent; the message names the channel, never its address."""

    code = "alert_not_sent"
    retryable = True
    exit_code = 12
