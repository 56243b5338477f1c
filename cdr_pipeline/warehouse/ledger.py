"""The ledger: accounts, windows, uploads, days and files.

It is the truth about what was done; Dagster's own database can be lost without losing anything. One file a table group.
"""

from typing import Any

from psycopg import Connection

from cdr_pipeline.warehouse.accounts.accounts import Account, AccountTable
from cdr_pipeline.warehouse.collect.windows import (
    Claim,
    Collection,
    LandedWindow,
    OpenWindow,
    RecordedWindow,
    WindowTable,
)
from cdr_pipeline.warehouse.days.day_states import (
    DayBatch,
    DayEvent,
    DayLine,
    DayObstacles,
    DayStateTable,
    ExportFile,
    RecordLocation,
)
from cdr_pipeline.warehouse.days.days import DayRecord, DayStatus, DayTable
from cdr_pipeline.warehouse.days.deliveries import Delivery, DeliveryTable, DueFile
from cdr_pipeline.warehouse.days.sealed_files import SealedFile, SealedFileTable
from cdr_pipeline.warehouse.operations.health import HealthTable, HourOfTraffic, LateDay, NightAccount
from cdr_pipeline.warehouse.operations.identity import IdentityTable
from cdr_pipeline.warehouse.reconciliation.reconciliations import DayReconciliation, ReconciliationTable
from cdr_pipeline.warehouse.retention.erasures import ErasureTable, ShownFile
from cdr_pipeline.warehouse.retention.policies import MonthRemoval, RetentionPolicy, RetentionTable
from cdr_pipeline.warehouse.uploads.uploads import (
    UPLOAD_STATES,
    LandedUpload,
    UploadLine,
    UploadRecord,
    UploadTable,
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
    "DayRecord",
    "DayStatus",
    "Delivery",
    "DueFile",
    "ExportFile",
    "HourOfTraffic",
    "LandedUpload",
    "LandedWindow",
    "LateDay",
    "Ledger",
    "MonthRemoval",
    "NightAccount",
    "OpenWindow",
    "RecordLocation",
    "RecordedWindow",
    "RetentionPolicy",
    "SealedFile",
    "ShownFile",
    "UploadLine",
    "UploadRecord",
]


class Ledger:
    """The ledger over one connection; each call is its own transaction unless one is open.

    Attributes:
        connection: to the warehouse.
        accounts: see ``AccountTable``.
        windows: see ``WindowTable``.
        uploads: see ``UploadTable``.
        days: see ``DayTable``.
        day_states: see ``DayStateTable``.
        deliveries: see ``DeliveryTable``.
        erasures: see ``ErasureTable``.
        health: see ``HealthTable``.
        identity: see ``IdentityTable``.
        reconciliations: see ``ReconciliationTable``.
        retention: see ``RetentionTable``.
        sealed_files: see ``SealedFileTable``.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.accounts = AccountTable(connection)
        self.windows = WindowTable(connection)
        self.uploads = UploadTable(connection)
        self.days = DayTable(connection)
        self.day_states = DayStateTable(connection)
        self.deliveries = DeliveryTable(connection)
        self.erasures = ErasureTable(connection)
        self.health = HealthTable(connection)
        self.identity = IdentityTable(connection)
        self.reconciliations = ReconciliationTable(connection)
        self.retention = RetentionTable(connection)
        self.sealed_files = SealedFileTable(connection)
