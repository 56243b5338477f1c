"""The ledger: accounts, windows, uploads, days and files.

It is the truth about what was done; Dagster's own database can be lost without losing anything. One file a table group.
"""

from cdr_pipeline.warehouse.accounts.accounts import Account, AccountTable
from cdr_pipeline.warehouse.days.day_states import (
    DayBatch,
    DayEvent,
    DayLine,
    DayObstacles,
    DayStateTable,
    ExportFile,
    RecordPlace,
)
from cdr_pipeline.warehouse.days.days import DayStatus, DayTable, KnownDay
from cdr_pipeline.warehouse.days.deliveries import Delivery, DeliveryTable, DueFile
from cdr_pipeline.warehouse.retention.erasures import ErasureTable, ShownFile
from cdr_pipeline.warehouse.operations.health import HealthTable, HourOfTraffic, LateDay, NightAccount
from cdr_pipeline.warehouse.operations.identity import IdentityTable
from cdr_pipeline.warehouse.reconciliation.reconciliations import DayReconciliation, ReconciliationTable
from cdr_pipeline.warehouse.retention.policies import MonthRemoval, RetentionPolicy, RetentionTable
from cdr_pipeline.warehouse.days.sealed_files import SealedFile, SealedFileTable
from cdr_pipeline.warehouse.uploads.uploads import (
    UPLOAD_STATES,
    LandedUpload,
    UploadLine,
    UploadRecord,
    UploadTable,
)
from cdr_pipeline.warehouse.collect.windows import (
    Claim,
    Collection,
    LandedWindow,
    OpenWindow,
    RecordedWindow,
    WindowTable,
)

__all__ = [
    "UPLOAD_STATES",
    "Account",
    "Claim",
    "Collection",
    "DayBatch",
    "DayEvent",
    "DayLine",
    "DayObstacles",
    "DayReconciliation",
    "DayStatus",
    "Delivery",
    "DueFile",
    "ExportFile",
    "HourOfTraffic",
    "KnownDay",
    "LandedUpload",
    "LandedWindow",
    "LateDay",
    "Ledger",
    "MonthRemoval",
    "NightAccount",
    "OpenWindow",
    "RecordPlace",
    "RecordedWindow",
    "RetentionPolicy",
    "SealedFile",
    "ShownFile",
    "UploadLine",
    "UploadRecord",
]


class Ledger(
    AccountTable,
    WindowTable,
    UploadTable,
    DayTable,
    DayStateTable,
    DeliveryTable,
    ErasureTable,
    HealthTable,
    IdentityTable,
    ReconciliationTable,
    RetentionTable,
    SealedFileTable,
):
    """Reads and writes the ledger over one connection; each call is its own transaction unless one is open."""
