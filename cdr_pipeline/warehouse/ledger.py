"""The ledger: one object that gives access to the tables of accounts, windows, uploads, days and files.

The ledger is the only record of the work that was done; Dagster's own database can be lost. The table classes are in
the topic folders of this package. Tables that work with frames are imported when they are used: many commands
need none of them.
"""

from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from psycopg import Connection, Transaction

from cdr_pipeline.warehouse.accounts.accounts import Account, AccountTable
from cdr_pipeline.warehouse.accounts.changes import ChangeTable
from cdr_pipeline.warehouse.accounts.tokens import TokenTable
from cdr_pipeline.warehouse.accounts.users import UserTable
from cdr_pipeline.warehouse.accounts.webhooks import WebhookTable
from cdr_pipeline.warehouse.collect.pace import SharedPace
from cdr_pipeline.warehouse.collect.windows import (
    Claim,
    Collection,
    DayWindow,
    LandedWindow,
    OpenWindow,
    RecordedWindow,
    WindowTable,
)
from cdr_pipeline.warehouse.days.calendar import CalendarDay, CalendarTable
from cdr_pipeline.warehouse.days.day_states import (
    DayBatch,
    DayEvent,
    DayLine,
    DayObstacles,
    DayStateTable,
    ExportFile,
    RecordLocation,
)
from cdr_pipeline.warehouse.days.days import CompleteDay, DayRecord, DayStatus, DayTable
from cdr_pipeline.warehouse.days.deliveries import Delivery, DeliveryTable, DueFile
from cdr_pipeline.warehouse.days.export_files import FileTable
from cdr_pipeline.warehouse.days.sealed_files import SealedFile, SealedFileTable
from cdr_pipeline.warehouse.operations.alerts import AlertDelivery, AlertTable
from cdr_pipeline.warehouse.operations.disk import DiskTable
from cdr_pipeline.warehouse.operations.health import HealthTable, HourOfTraffic, LateDay, NightAccount, OpenRejects
from cdr_pipeline.warehouse.operations.identity import IdentityTable
from cdr_pipeline.warehouse.operations.leases import LeaseTable
from cdr_pipeline.warehouse.operations.shards import ShardTable
from cdr_pipeline.warehouse.uploads.idempotent_responses import IdempotentResponses
from cdr_pipeline.warehouse.uploads.uploads import (
    UPLOAD_STATES,
    LandedUpload,
    NewUpload,
    UploadLine,
    UploadRecord,
    UploadTable,
)

if TYPE_CHECKING:
    from collections.abc import Collection as AnyCollection
    from datetime import date

    from cdr_pipeline.warehouse.days.day_groups import DayGroup
    from cdr_pipeline.warehouse.inbound.inbound_files import InboundTable
    from cdr_pipeline.warehouse.invoices.invoices import InvoiceTable
    from cdr_pipeline.warehouse.reconciliation.decisions import DecisionTable
    from cdr_pipeline.warehouse.reconciliation.reconciliations import ReconciliationTable
    from cdr_pipeline.warehouse.reconciliation.versions import VersionTable
    from cdr_pipeline.warehouse.records.extracts import ExtractTable
    from cdr_pipeline.warehouse.records.records import RecordTable
    from cdr_pipeline.warehouse.retention.erasures import ErasureTable
    from cdr_pipeline.warehouse.retention.policies import RetentionTable

__all__ = [
    "UPLOAD_STATES",
    "Account",
    "AlertDelivery",
    "CalendarDay",
    "Claim",
    "Collection",
    "CompleteDay",
    "DayBatch",
    "DayEvent",
    "DayLine",
    "DayObstacles",
    "DayRecord",
    "DayStatus",
    "DayWindow",
    "Delivery",
    "DueFile",
    "ExportFile",
    "HourOfTraffic",
    "LandedUpload",
    "LandedWindow",
    "LateDay",
    "Ledger",
    "NewUpload",
    "NightAccount",
    "OpenRejects",
    "OpenWindow",
    "RecordLocation",
    "RecordedWindow",
    "SealedFile",
    "UploadLine",
    "UploadRecord",
]


class Ledger:
    """Ledger tables over one connection; each call is its own transaction unless one is open.

    Attributes:
        connection: connection to the warehouse; only this package and tests use it.
        alerts: alerts and their deliveries.
        accounts: accounts and their time zones.
        windows: windows of the switch's API and the claims on collecting them.
        uploads: imported files and rejected rows.
        calendar: days of many accounts at a glance.
        changes: what happened to the days of accounts, in order.
        days: business days and their daily files.
        day_states: locks, seals and restatements of days.
        deliveries: deliveries of daily files to targets.
        disk: read-only queries about used space.
        files: published daily files.
        health: read-only queries about nights and problems.
        identity: id that links the warehouse to its data folder.
        pace: limits of requests that all processes share.
        leases: leases of running steps.
        responses: stored responses to upload requests.
        sealed_files: announced files of sealed days and their checks.
        shards: shards of nights and their results.
        tokens: API tokens.
        users: users of the console, their sessions, and the log of what they did.
        webhooks: addresses that changes of accounts are sent to.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.accounts = AccountTable(connection)
        self.alerts = AlertTable(connection)
        self.windows = WindowTable(connection)
        self.uploads = UploadTable(connection)
        self.calendar = CalendarTable(connection)
        self.changes = ChangeTable(connection)
        self.days = DayTable(connection)
        self.day_states = DayStateTable(connection)
        self.deliveries = DeliveryTable(connection)
        self.disk = DiskTable(connection)
        self.files = FileTable(connection)
        self.health = HealthTable(connection)
        self.identity = IdentityTable(connection)
        self.responses = IdempotentResponses(connection)
        self.sealed_files = SealedFileTable(connection)
        self.pace = SharedPace(connection)
        self.leases = LeaseTable(connection)
        self.shards = ShardTable(connection)
        self.tokens = TokenTable(connection)
        self.users = UserTable(connection)
        self.webhooks = WebhookTable(connection)

    def day_group(self, account_ids: "AnyCollection[str]", business_date: "date") -> "DayGroup | None":
        """A business date of small accounts whose files are written together; None if that is not possible."""
        from cdr_pipeline.warehouse.days.day_groups import DayGroup  # noqa: PLC0415

        return DayGroup.of(self.connection, account_ids, business_date)

    @cached_property
    def decisions(self) -> "DecisionTable":
        """Decisions about breaks, rules, notes and credit notes."""
        from cdr_pipeline.warehouse.reconciliation.decisions import DecisionTable  # noqa: PLC0415

        return DecisionTable(self.connection)

    @cached_property
    def erasures(self) -> "ErasureTable":
        """Numbers erased on request."""
        from cdr_pipeline.warehouse.retention.erasures import ErasureTable  # noqa: PLC0415

        return ErasureTable(self.connection)

    @cached_property
    def extracts(self) -> "ExtractTable":
        """Files of records that accounts requested."""
        from cdr_pipeline.warehouse.records.extracts import ExtractTable  # noqa: PLC0415

        return ExtractTable(self.connection)

    @cached_property
    def inbound(self) -> "InboundTable":
        """Places where carriers put files, and the files that were fetched there."""
        from cdr_pipeline.warehouse.inbound.inbound_files import InboundTable  # noqa: PLC0415

        return InboundTable(self.connection)

    @cached_property
    def invoices(self) -> "InvoiceTable":
        """Invoices of carriers, and the charges that they are compared with."""
        from cdr_pipeline.warehouse.invoices.invoices import InvoiceTable  # noqa: PLC0415

        return InvoiceTable(self.connection)

    @cached_property
    def reconciliations(self) -> "ReconciliationTable":
        """Reconciliations, breaks and decisions."""
        from cdr_pipeline.warehouse.reconciliation.reconciliations import ReconciliationTable  # noqa: PLC0415

        return ReconciliationTable(self.connection)

    @cached_property
    def records(self) -> "RecordTable":
        """Loads of batches and lines of daily files."""
        from cdr_pipeline.warehouse.records.records import RecordTable  # noqa: PLC0415

        return RecordTable(self.connection)

    @cached_property
    def retention(self) -> "RetentionTable":
        """Retention policies, removed months and masks."""
        from cdr_pipeline.warehouse.retention.policies import RetentionTable  # noqa: PLC0415

        return RetentionTable(self.connection)

    @cached_property
    def versions(self) -> "VersionTable":
        """Records to compare and versions of reconciliations."""
        from cdr_pipeline.warehouse.reconciliation.versions import VersionTable  # noqa: PLC0415

        return VersionTable(self.connection)

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Opens a transaction; calls in its block are one unit."""
        return self.connection.transaction()
