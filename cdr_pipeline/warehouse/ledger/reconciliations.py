"""What the reconciliations of a day say, for those who seal it."""

from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from cdr_pipeline.warehouse.ledger.base import LedgerTables

DayVerdict = Literal["none", "green", "red", "provisional"]


class DayReconciliation(NamedTuple):
    """An account's day over all its carriers.

    Attributes:
        status: ``none`` when nothing was reconciled; ``red`` when a carrier's breaks are above what its profile
            tolerates; ``provisional`` when none is red but some carrier's or the switch's records may not all be here;
            ``green`` otherwise.
        breaks: of all carriers, decided ones included.
        exposure: money at risk, of all carriers, in their currencies.
    """

    status: DayVerdict
    breaks: int
    exposure: Decimal


class ReconciliationTable(LedgerTables):
    """Reconciliations, by account and business date."""

    def reconciliation_of(self, account_id: str, business_date: date) -> DayReconciliation:
        """What the newest version of each carrier's reconciliation says about the day."""
        carriers = self._rows("reconcile/day_verdict", account_id=account_id, business_date=business_date)
        return DayReconciliation(
            _verdict({(row["status"], row["light"]) for row in carriers}),
            sum(row["breaks"] for row in carriers),
            sum((row["exposure"] for row in carriers), Decimal(0)),
        )


def _verdict(carriers: set[tuple[str, str]]) -> DayVerdict:
    if not carriers:
        return "none"
    if ("final", "red") in carriers:
        return "red"
    if any(status == "provisional" for status, _ in carriers):
        return "provisional"
    return "green"
