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
    │   ├── WarehouseLoginRefused           the server does not admit this user to this database
    │   ├── WarehouseTooOld                 the server runs a version of PostgreSQL before 15
    │   ├── WarehousePooled                 a pooler changes the session with each transaction
    │   ├── WarehouseRightMissing           the user lacks a right on the server or on a node
    │   ├── ReplicaUnusable                 the URL of the replica does not name a replica of the warehouse
    │   ├── WarehouseReadOnly               the server is a standby, or its user has read access only
    │   ├── WarehouseTimeout                a search exceeded its timeout
    │   ├── WarehouseNewerThanCode          the database was migrated by a later version
    │   ├── WarehouseNotMigrated            the database lacks this version's tables
    │   ├── WarehouseOfAnotherFolder        the warehouse belongs to another data folder
    │   ├── WarehouseOfOtherServer          the embedded files are of another major version of PostgreSQL
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
    │   ├── InvalidInvoice                  a carrier's invoice is not valid; nothing was stored
    │   ├── MisplacedFile                   a dropped file is outside the folders of accounts and profiles
    │   ├── UnreadableUpload                a file does not have the format of its profile
    │   │   ├── TooManyLines                    the file has more lines than an upload over the API may have
    │   │   ├── ControlTotalsDiffer             the totals stated in the file differ from its records
    │   │   ├── AmbiguousDates                  the dates fit both day-first and month-first order
    │   │   └── UploadDiscarded                 the file was discarded while it waited to be loaded
    │   ├── RowsRejected                13  some rows of a file were rejected; the others are stored
    │   ├── UploadHeld                      the file repeats records of another file; an operator decides
    │   └── UploadSealed                    a sealed day depends on the upload, so it cannot be discarded
    ├── AccountNotFound                 6   the account is not registered
    ├── ChangesGone                 2   changes after the one that a client knows are not kept any more
    ├── ExtractNotFound             2   the account has no extract of this id
    ├── ExtractGone                 2   the file of an extract has expired or was withdrawn
    ├── ExtractTooLarge             8   the file of an extract would be larger than allowed
    ├── ExtractAbandoned            8   the processes that made an extract ended several times
    ├── WebhookNotFound             2   the account has no webhook of this id
    ├── TooManyWebhooks             2   the account has as many webhooks as allowed
    ├── WebhookNotDelivered         12  a webhook did not accept a change (retryable)
    ├── SignInRefused               2   name, password or link of a user of the console is not valid
    ├── ClaimLost                       4   the lease expired and another process took over (retryable)
    ├── UnbalancedBatch                 7   rows were not all accounted for; nothing was merged
    ├── ReconciliationError             7
    │   ├── InvalidSide                     a side lacks columns or values that the matcher needs
    │   ├── BreakNotFound               2   no break of the newest reconciliations has that id
    │   ├── InvoiceNotFound             2   no invoice has that number
    │   ├── InvoiceExists               2   an invoice of that number has other content
    │   ├── DecisionConflict            2   another person or rule decided the break meanwhile
    │   ├── InvalidDecision             2   a decision, rule or credit note lacks what it needs
    │   └── UnbalancedReconciliation        rows, seconds or money by class do not add up to the input
    ├── ExportError                     8   a file or manifest could not be written completely
    │   ├── DayNotSealable                  the day cannot be sealed or restated yet
    │   ├── SealedFileDamaged               a sealed file is missing or has changed
    │   ├── SealedFileExists                a sealed file that the ledger lacks is on disk
    │   └── DeliveryError                   a target cannot be reached or failed (retryable)
    │       └── DeliveryRefused                 the host key is unknown, or the target has a different file of that name
    ├── IncompleteNight                 9   some accounts failed; the others are done
    ├── DayNotEnded                 9   the day has not ended in the account's time zone (retryable)
    ├── BackupError                     8   a backup could not be written, or is incomplete or damaged
    ├── ProblemsFound                   11  a check-up found problems that need manual action
    ├── FolderNotWritable           2   a folder is full or cannot be written (retryable)
    ├── StoreError                      14  the object store of CDR_DATA_DIR failed
    │   ├── StoreUnavailable                it cannot be reached or is overloaded (retryable)
    │   └── StoreRefused                    it rejects the credentials, or the bucket does not exist
    ├── InboundError                    16  a place of inbound.toml failed, or a file there was not fetched
    │   ├── InboundUnavailable              it cannot be reached or broke off (retryable)
    │   │   └── InboundFileChanged              a file changed while it was fetched (retryable)
    │   ├── InboundRefused                  it refuses the login, or its host key or certificate is not valid
    │   └── InboundFileRefused              a file is too large or unsafe, or differs from its manifest
    ├── AlertNotSent                    12  no channel accepted an alert (retryable)
    ├── DagsterStorageError             15  Dagster's own storage cannot be used (retryable)
    └── RequestRefused                  1   the API refused a request (see api/refusals.py)
"""

from cdr_pipeline.errors.accounts import (
    AccountNotFound,
    ChangesGone,
    SignInRefused,
    TooManyWebhooks,
    WebhookNotDelivered,
    WebhookNotFound,
)
from cdr_pipeline.errors.base import CdrError
from cdr_pipeline.errors.collect import (
    CallTooLong,
    DialectChanged,
    PermanentUpstreamError,
    ReplyTooLarge,
    TransientUpstreamError,
    UpstreamAccountNotFound,
    UpstreamAuthError,
    UpstreamError,
    UpstreamProtocolError,
    WindowOutdated,
    WindowTooHeavy,
)
from cdr_pipeline.errors.configuration import ClockDisagrees, ConfigurationError, DayNotBegun
from cdr_pipeline.errors.days import (
    DayNotSealable,
    DeliveryError,
    DeliveryRefused,
    ExportError,
    SealedFileDamaged,
    SealedFileExists,
)
from cdr_pipeline.errors.extracts import ExtractAbandoned, ExtractGone, ExtractNotFound, ExtractTooLarge
from cdr_pipeline.errors.files import FolderNotWritable, StoreError, StoreRefused, StoreUnavailable
from cdr_pipeline.errors.inbound import (
    InboundError,
    InboundFileChanged,
    InboundFileRefused,
    InboundRefused,
    InboundUnavailable,
)
from cdr_pipeline.errors.operations import (
    AlertNotSent,
    BackupError,
    DagsterStorageError,
    DayNotEnded,
    IncompleteNight,
    ProblemsFound,
)
from cdr_pipeline.errors.reconciliation import (
    BreakNotFound,
    DecisionConflict,
    InvalidDecision,
    InvalidSide,
    InvoiceExists,
    InvoiceNotFound,
    ReconciliationError,
    UnbalancedReconciliation,
)
from cdr_pipeline.errors.records import ClaimLost, UnbalancedBatch
from cdr_pipeline.errors.requests import RequestRefused
from cdr_pipeline.errors.uploads import (
    AmbiguousDates,
    ControlTotalsDiffer,
    InvalidInvoice,
    InvalidProfile,
    InvalidRateCard,
    MisplacedFile,
    RowsRejected,
    TooManyLines,
    UnknownProfile,
    UnreadableUpload,
    UploadDiscarded,
    UploadError,
    UploadHeld,
    UploadSealed,
)
from cdr_pipeline.errors.warehouse import (
    MigrationEdited,
    NewerThanBackup,
    ReaderNotAdmitted,
    ReplicaUnusable,
    ValueNotStorable,
    WarehouseContended,
    WarehouseError,
    WarehouseLoginRefused,
    WarehouseNewerThanCode,
    WarehouseNotMigrated,
    WarehouseOfAnotherFolder,
    WarehouseOfOtherServer,
    WarehousePooled,
    WarehouseReadOnly,
    WarehouseRightMissing,
    WarehouseTimeout,
    WarehouseTooOld,
    WarehouseUnavailable,
)

__all__ = [
    "AccountNotFound",
    "AlertNotSent",
    "AmbiguousDates",
    "BackupError",
    "BreakNotFound",
    "CallTooLong",
    "CdrError",
    "ChangesGone",
    "ClaimLost",
    "ClockDisagrees",
    "ConfigurationError",
    "ControlTotalsDiffer",
    "DagsterStorageError",
    "DayNotBegun",
    "DayNotEnded",
    "DayNotSealable",
    "DecisionConflict",
    "DeliveryError",
    "DeliveryRefused",
    "DialectChanged",
    "ExportError",
    "ExtractAbandoned",
    "ExtractGone",
    "ExtractNotFound",
    "ExtractTooLarge",
    "FolderNotWritable",
    "InboundError",
    "InboundFileChanged",
    "InboundFileRefused",
    "InboundRefused",
    "InboundUnavailable",
    "IncompleteNight",
    "InvalidDecision",
    "InvalidInvoice",
    "InvalidProfile",
    "InvalidRateCard",
    "InvalidSide",
    "InvoiceExists",
    "InvoiceNotFound",
    "MigrationEdited",
    "MisplacedFile",
    "NewerThanBackup",
    "PermanentUpstreamError",
    "ProblemsFound",
    "ReaderNotAdmitted",
    "ReconciliationError",
    "ReplicaUnusable",
    "ReplyTooLarge",
    "RequestRefused",
    "RowsRejected",
    "SealedFileDamaged",
    "SealedFileExists",
    "SignInRefused",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "TooManyLines",
    "TooManyWebhooks",
    "TransientUpstreamError",
    "UnbalancedBatch",
    "UnbalancedReconciliation",
    "UnknownProfile",
    "UnreadableUpload",
    "UploadDiscarded",
    "UploadError",
    "UploadHeld",
    "UploadSealed",
    "UpstreamAccountNotFound",
    "UpstreamAuthError",
    "UpstreamError",
    "UpstreamProtocolError",
    "ValueNotStorable",
    "WarehouseContended",
    "WarehouseError",
    "WarehouseLoginRefused",
    "WarehouseNewerThanCode",
    "WarehouseNotMigrated",
    "WarehouseOfAnotherFolder",
    "WarehouseOfOtherServer",
    "WarehousePooled",
    "WarehouseReadOnly",
    "WarehouseRightMissing",
    "WarehouseTimeout",
    "WarehouseTooOld",
    "WarehouseUnavailable",
    "WebhookNotDelivered",
    "WebhookNotFound",
    "WindowOutdated",
    "WindowTooHeavy",
]
