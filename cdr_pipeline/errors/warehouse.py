"""Errors of the warehouse."""

from cdr_pipeline.errors.base import CdrError


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


class WarehouseLoginRefused(WarehouseError):
    """The server does not admit this user to this database: the password, a name in the URL, or a right is wrong."""

    code = "warehouse_login_refused"


class WarehouseTooOld(WarehouseError):
    """The server runs a version of PostgreSQL before 15."""

    code = "warehouse_too_old"


class WarehousePooled(WarehouseError):
    """The warehouse is behind a pooler that changes the session with each transaction; nothing was read or written."""

    code = "warehouse_pooled"


class WarehouseRightMissing(WarehouseError):
    """The user of the URL lacks a right on the server or on a node of the cluster; the message names both."""

    code = "warehouse_right_missing"


class ReplicaUnusable(WarehouseError):
    """The URL of the replica does not name a streaming replica of the warehouse; the API reads from the warehouse."""

    code = "replica_unusable"


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


class WarehouseOfOtherServer(WarehouseError):
    """The files of the embedded warehouse are of another major version of PostgreSQL than the installed programs."""

    code = "warehouse_of_other_server"


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
