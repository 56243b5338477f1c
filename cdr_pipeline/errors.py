"""Exceptions of the product, in one tree.

Each class has a stable ``code`` for scripts and tables, whether a retry can help (``retryable``), the exit code of the
CLI and the HTTP status of the API. A message contains what happened, where, and what to do next. It never contains a
token, a phone number or a name.

    CdrError
    ├── ConfigurationError              2   a setting is missing or wrong
    │   └── DayNotBegun                     the business date has not begun in the account's time zone
    ├── ClockDisagrees                  2   the clocks of this machine, the warehouse and the switch differ
    ├── WarehouseError                  3
    │   ├── WarehouseUnavailable            the server cannot be reached or started (retryable)
    │   │   └── WarehouseContended              deadlock or lock timeout (retryable)
    │   ├── ValueNotStorable                a value that the warehouse cannot hold
    │   ├── WarehouseReadOnly               the server is a standby, or its user has read access only
    │   ├── WarehouseTimeout                a search exceeded its timeout
    │   ├── WarehouseNewerThanCode          the database was migrated by a later version
    │   ├── WarehouseNotMigrated            the database lacks this version's tables
    │   ├── WarehouseOfAnotherFolder        the warehouse belongs to another data folder
    │   ├── NewerThanBackup             2   the warehouse has data that the backup to be restored lacks
    │   ├── MigrationEdited                 an applied migration was edited
    │   └── ReaderNotAdmitted               the role that reads for one account is missing, or sees too much
    ├── UpstreamError                   4
    │   ├── TransientUpstreamError          a retry may help: timeouts, 429, 5xx, incomplete pages (retryable)
    │   │   ├── WindowOutdated                  a window was read in the dialect before an upgrade (retryable)
    │   │   └── WindowTooHeavy                  a gateway timed out on the window (504); a shorter one may work
    │   │       └── ReplyTooLarge                   a response exceeds the size limit; a shorter window may work
    │   └── PermanentUpstreamError          a retry does not help
    │       ├── UpstreamAuthError           401, 403
    │       ├── UpstreamAccountNotFound     404, 410 on the account itself
    │       ├── UpstreamProtocolError       a response that violates the protocol
    │       ├── DialectChanged              the version of the switch does not match the dialect of the request
    │       └── CallTooLong                 a call over the end of a month is longer than the search for such calls
    ├── UploadError                     5
    │   ├── UnknownProfile                  no profile of that name
    │   ├── InvalidProfile                  a profile file is malformed or contradicts itself
    │   │   └── InvalidRateCard                 the rate card of a profile is not valid
    │   ├── MisplacedFile                   a dropped file is outside the folders of accounts and profiles
    │   ├── UnreadableUpload                a file does not have the format of its profile
    │   │   ├── ControlTotalsDiffer             the totals stated in the file differ from its records
    │   │   └── AmbiguousDates                  the dates fit both day-first and month-first order
    │   └── UploadHeld                      the file repeats records of another file; an operator decides
    ├── AccountNotFound                 6   the account is not registered
    ├── ClaimLost                       4   the lease expired and another process took over (retryable)
    ├── UnbalancedBatch                 7   rows were not all accounted for; nothing was merged
    ├── ReconciliationError             7
    │   ├── InvalidSide                     a side lacks columns or values that the matcher needs
    │   ├── BreakNotFound               2   no break of the newest reconciliations has that id
    │   └── UnbalancedReconciliation        rows, seconds or money by class do not add up to the input
    ├── ExportError                     8   a file or manifest could not be written completely
    │   ├── DayNotSealable                  the day cannot be sealed or restated yet
    │   ├── SealedFileDamaged               a sealed file is missing or has changed
    │   ├── SealedFileExists                a sealed file that the ledger lacks is on disk
    │   └── DeliveryError                   a target cannot be reached or failed (retryable)
    │       └── DeliveryRefused                 the host key is unknown, or the target has a different file of that name
    ├── IncompleteNight                 9   some accounts failed; the others are done
    ├── ProblemsFound                   11  a check-up found problems that need manual action
    ├── AlertNotSent                    12  no channel accepted an alert (retryable)
    └── RequestRefused                  1   the API refused a request (see api/refusals.py)
"""

from typing import ClassVar


class CdrError(Exception):
    """Base class of the product's exceptions.

    Attributes:
        code: stable identifier, lower case with underscores.
        retryable: whether the same call may succeed later without any change.
        exit_code: exit code of the CLI.
        http_status: HTTP status of the API response.
        hint: what the user should do next.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(CdrError):
    """A setting is missing or wrong."""

    code = "configuration"
    exit_code = 2


class DayNotBegun(ConfigurationError):
    """The business date has not begun in the account's time zone."""


class ClockDisagrees(CdrError):
    """The clocks of this machine, the warehouse and the switch differ by more than the setting allows."""

    code = "clock_disagrees"
    exit_code = 2


class WarehouseError(CdrError):
    """The warehouse refused or failed."""

    code = "warehouse"
    exit_code = 3


class WarehouseUnavailable(WarehouseError):
    """The server cannot be reached or started."""

    code = "warehouse_unavailable"
    retryable = True
    http_status = 503


class WarehouseTimeout(WarehouseError):
    """A search exceeded its timeout; a narrower one may be fast enough."""

    code = "warehouse_timeout"
    http_status = 504


class WarehouseContended(WarehouseUnavailable):
    """A deadlock or lock timeout: the transaction was rolled back and can be retried as a whole."""

    code = "warehouse_contended"


class ValueNotStorable(WarehouseError):
    """The warehouse cannot hold a value; the same load fails again until the row or the rule for it is changed."""

    code = "value_not_storable"
    http_status = 400


class WarehouseReadOnly(WarehouseError):
    """The server is a standby, or its user has read access only."""

    code = "warehouse_read_only"


class WarehouseNewerThanCode(WarehouseError):
    """The database was migrated by a later version of this code."""

    code = "warehouse_newer_than_code"


class WarehouseNotMigrated(WarehouseError):
    """The database lacks the tables of this version."""

    code = "warehouse_not_migrated"


class WarehouseOfAnotherFolder(WarehouseError):
    """The warehouse belongs to another data folder, which has the files of its ledger."""

    code = "warehouse_of_another_folder"


class NewerThanBackup(WarehouseError):
    """The warehouse has newer data than the backup to be restored; nothing was restored."""

    code = "newer_than_backup"
    exit_code = 2


class MigrationEdited(WarehouseError):
    """A migration file was edited after it was applied, so the tables may differ from what it describes."""

    code = "migration_edited"


class ReaderNotAdmitted(WarehouseError):
    """The role that reads for one account is missing, or could see the rows of other accounts."""

    code = "reader_not_admitted"


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


class UploadError(CdrError):
    """A file could not be imported."""

    code = "upload"
    exit_code = 5
    http_status = 400


class UnknownProfile(UploadError):
    """No import profile has that name."""

    code = "unknown_profile"


class InvalidProfile(UploadError):
    """A profile file is malformed or contradicts itself."""

    code = "invalid_profile"


class InvalidRateCard(InvalidProfile):
    """The rate card of a profile cannot be read, or one of its lines is not a valid price."""

    code = "invalid_rate_card"


class MisplacedFile(UploadError):
    """A file in the drop folder is outside the folders of accounts and profiles."""

    code = "misplaced_file"


class UnreadableUpload(UploadError):
    """The file cannot be opened or decoded in the format of its profile."""

    code = "unreadable_upload"


class ControlTotalsDiffer(UnreadableUpload):
    """The totals in the file's header or trailer differ from its records: the file is cut off or damaged."""

    code = "control_totals_differ"


class AmbiguousDates(UnreadableUpload):
    """The file's dates fit both day-first and month-first order, and the profile does not state the order."""

    code = "ambiguous_dates"


class UploadHeld(UploadError):
    """The file repeats records of another file, or has ids of other calls; an operator releases or discards it."""

    code = "upload_held"
    http_status = 409

    def __init__(self, message: str, *, overlap_rows: int, other_calls: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.overlap_rows = overlap_rows
        self.other_calls = other_calls


class AccountNotFound(CdrError):
    """The account is not registered."""

    code = "account_not_found"
    exit_code = 6
    http_status = 404


class ClaimLost(CdrError):
    """The lease of this process expired and another process took over; this one recorded nothing."""

    code = "claim_lost"
    retryable = True
    exit_code = 4


class UnbalancedBatch(CdrError):
    """Rows read and rows accounted for differ; the batch was not merged."""

    code = "unbalanced_batch"
    exit_code = 7


class ReconciliationError(CdrError):
    """Two sides could not be compared."""

    code = "reconciliation"
    exit_code = 7


class InvalidSide(ReconciliationError):
    """A side lacks columns or values that the matcher needs."""

    code = "invalid_side"


class BreakNotFound(ReconciliationError):
    """No break, or more than one, of the newest reconciliations matches the id."""

    code = "break_not_found"
    exit_code = 2
    http_status = 404


class UnbalancedReconciliation(ReconciliationError):
    """Rows, seconds or money by class do not add up to the input; no result is stored."""

    code = "unbalanced_reconciliation"


class ExportError(CdrError):
    """A file or its manifest could not be written completely."""

    code = "export"
    exit_code = 8


class DayNotSealable(ExportError):
    """The day cannot be sealed or restated yet; the message names the obstacle."""

    code = "day_not_sealable"
    http_status = 409


class SealedFileDamaged(ExportError):
    """A sealed file is missing or has changed; it cannot be restated or delivered."""

    code = "sealed_file_damaged"


class SealedFileExists(ExportError):
    """A final file of the day is on disk but not in the ledger; final files are never replaced."""

    code = "sealed_file_exists"
    http_status = 409


class DeliveryError(ExportError):
    """A delivery target cannot be reached or failed; the file stays due and is sent again."""

    code = "delivery"
    retryable = True


class DeliveryRefused(DeliveryError):
    """A delivery target has an unknown host key, refuses, or already has a different file of that name."""

    code = "delivery_refused"
    retryable = False


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


class RequestRefused(CdrError):
    """The API refused a request.

    Attributes:
        status: HTTP status of the response.
        title: short error code of Kazoo, or ours where Kazoo has none.
        data: value of ``data`` in the envelope; on v1 each ``{"message": text}`` in it becomes the text.
        headers: additional headers of the response.
    """

    code = "request_refused"
    http_status = 400

    def __init__(self, status: int, title: str, data: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.data = data
        self.headers = headers or {}
