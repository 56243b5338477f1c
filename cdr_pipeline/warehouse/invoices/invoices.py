"""Invoices of carriers, and the charges that they are compared with."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from cdr_pipeline.core.reconcile.invoices.charges import Charge
from cdr_pipeline.core.reconcile.invoices.invoice import Invoice, InvoiceLine
from cdr_pipeline.core.reconcile.invoices.later_changes import ChangeSinceInvoice, ReceivedCredit
from cdr_pipeline.warehouse.statement_runner import LedgerTables


class NewestInvoice(NamedTuple):
    """Number of an invoice's newest version, and the hash of its content."""

    version: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class ReconciledCharge:
    """Newest reconciliations of a carrier's day in one currency: what is charged, and how much of it is at risk.

    Attributes:
        business_date, currency: day and currency.
        is_green: whether the reconciliations of all accounts are final and green.
        profile: profile of the carrier's files.
        charged, exposure: amounts over all accounts.
    """

    business_date: date
    currency: str
    is_green: bool
    profile: str | None
    charged: Decimal
    exposure: Decimal


class ChargedMonth(NamedTuple):
    """What a carrier charged in a month in one currency, over all given accounts."""

    carrier: str
    month: date
    currency: str
    charged: Decimal
    at_risk: Decimal
    days: int
    red_days: int


class InvoicedMonth(NamedTuple):
    """What a carrier invoiced without tax for a month in one currency, over all given accounts."""

    carrier: str
    month: date
    currency: str
    invoices: int
    invoiced: Decimal


class CarrierOfAccount(NamedTuple):
    """A carrier that was reconciled for an account, and the currency of its amounts."""

    account_id: str
    carrier: str
    currency: str


class InvoiceTable(LedgerTables):
    """Invoices, by account, carrier and number; a correction is a new version."""

    def newest(self, account_id: str, carrier: str, number: str) -> NewestInvoice | None:
        """The newest version of an invoice; None for an unknown number."""
        rows = self.statements.rows("invoices/newest_hash", account_id=account_id, carrier=carrier, number=number)
        return NewestInvoice(**rows[0]) if rows else None

    def add(self, invoice: Invoice, *, now: datetime) -> Invoice:
        """Stores the next version of an invoice with its lines.

        The caller holds the account's lock, see ``AccountTable.lock_out_loads``.
        """
        key = {name: getattr(invoice, name) for name in ("account_id", "carrier", "number")}
        before = self.newest(**key)
        stored = replace(invoice, version=before.version + 1 if before else 1, entered_at=now)
        values = {name: value for name, value in asdict(stored).items() if name not in {"lines", "entered_at"}}
        self.statements.execute("invoices/record_invoice", **values, content_hash=invoice.content_hash, now=now)
        for line in invoice.lines:
            self.statements.execute("invoices/record_line", **key, version=stored.version, **asdict(line))
        return stored

    def find(
        self,
        account_ids: Sequence[str],
        *,
        carrier: str | None = None,
        number: str | None = None,
        every_version: bool = False,
    ) -> list[Invoice]:
        """Invoices by period, carrier and number; the newest version of each, unless every version is requested."""
        rows = self.statements.rows(
            "invoices/invoices",
            account_ids=list(account_ids),
            carrier=carrier,
            number=number,
            every_version=every_version,
        )
        return [Invoice(**row, lines=self._lines(row)) for row in rows]

    def _lines(self, row: dict[str, object]) -> tuple[InvoiceLine, ...]:
        key = {name: row[name] for name in ("account_id", "carrier", "number", "version")}
        return tuple(self.statements.records(InvoiceLine, "invoices/lines", **key))

    def charges(
        self, account_ids: Sequence[str], carrier: str, first_date: date, last_date: date, time_zone: str
    ) -> list[Charge]:
        """Calls of the newest reconciliations, summed; days are those of the carrier's zone."""
        return self.statements.records(
            Charge,
            "invoices/charges",
            account_ids=list(account_ids),
            carrier=carrier,
            first_date=first_date,
            last_date=last_date,
            time_zone=time_zone,
        )

    def changes(
        self, account_ids: Sequence[str], carrier: str, days: tuple[date, date], time_zone: str, since: datetime
    ) -> list[ChangeSinceInvoice]:
        """What changed in a period after a moment; days are those of the carrier's zone."""
        return self.statements.records(
            ChangeSinceInvoice,
            "invoices/changes",
            account_ids=list(account_ids),
            carrier=carrier,
            first_date=days[0],
            last_date=days[1],
            time_zone=time_zone,
            since=since,
        )

    def credit_notes(self, account_ids: Sequence[str], carrier: str) -> list[ReceivedCredit]:
        """Credit notes of a carrier, in the order in which they were recorded."""
        return self.statements.records(
            ReceivedCredit, "invoices/credit_notes", account_ids=list(account_ids), carrier=carrier
        )

    def reconciled_days(
        self, account_ids: Sequence[str], carrier: str, first_date: date, last_date: date
    ) -> list[ReconciledCharge]:
        """Newest reconciliations of a carrier by day and currency, summed over accounts."""
        return self.statements.records(
            ReconciledCharge,
            "invoices/reconciled_days",
            account_ids=list(account_ids),
            carrier=carrier,
            first_date=first_date,
            last_date=last_date,
        )

    def charged_months(self, account_ids: Sequence[str], first_date: date, last_date: date) -> list[ChargedMonth]:
        """Newest reconciliations between two business dates, summed by carrier, month and currency."""
        return self.statements.records(
            ChargedMonth,
            "invoices/charged_months",
            account_ids=list(account_ids),
            first_date=first_date,
            last_date=last_date,
        )

    def invoiced_months(self, account_ids: Sequence[str], first_date: date, last_date: date) -> list[InvoicedMonth]:
        """Newest versions of invoices whose period begins between two dates, summed by carrier, month and currency."""
        return self.statements.records(
            InvoicedMonth,
            "invoices/invoiced_months",
            account_ids=list(account_ids),
            first_date=first_date,
            last_date=last_date,
        )

    def carriers_of_accounts(self, account_ids: Sequence[str], first_date: date) -> list[CarrierOfAccount]:
        """Carriers that were reconciled for accounts since a business date."""
        return self.statements.records(
            CarrierOfAccount, "invoices/carriers_of_accounts", account_ids=list(account_ids), first_date=first_date
        )
