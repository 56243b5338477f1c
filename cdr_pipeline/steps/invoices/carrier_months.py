"""Carriers of accounts with what they charged and invoiced by month and currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from cdr_pipeline.steps.run_context import RunContext


@dataclass(frozen=True, slots=True)
class CarrierSummary:
    """A carrier's month in one currency.

    Attributes:
        carrier, month, currency: the month's first day and the currency of all amounts.
        charged: sum of the carrier's records.
        at_risk: what is charged too much, decided or not.
        days: reconciled days of all accounts.
        red_days: reconciled days that are red or provisional.
        invoices: number of invoices whose period begins in the month.
        invoiced: their amounts without tax.
    """

    carrier: str
    month: date
    currency: str
    charged: Decimal
    at_risk: Decimal
    days: int
    red_days: int
    invoices: int
    invoiced: Decimal


def carrier_months(accounts: Sequence[str], first: date, last: date, ctx: RunContext) -> list[CarrierSummary]:
    """Months of the carriers of accounts, the newest month first.

    Args:
        accounts: ids of accounts.
        first: first business date; invoices count by the first day of their period.
        last: last business date.
        ctx: settings, warehouse, clock and progress callback.
    """
    with ctx.ledger() as ledger:
        charged = ledger.invoices.charged_months(accounts, first, last)
        invoiced = ledger.invoices.invoiced_months(accounts, first, last)
    found = {
        (item.carrier, item.month, item.currency): CarrierSummary(
            item.carrier, item.month, item.currency, item.charged, item.at_risk, item.days, item.red_days, 0, Decimal(0)
        )
        for item in charged
    }
    for item in invoiced:
        key = (item.carrier, item.month, item.currency)
        before = found.get(key) or CarrierSummary(*key, Decimal(0), Decimal(0), 0, 0, 0, Decimal(0))
        found[key] = CarrierSummary(
            *key, before.charged, before.at_risk, before.days, before.red_days, item.invoices, item.invoiced
        )
    return sorted(found.values(), key=lambda item: (-item.month.toordinal(), item.carrier, item.currency))
