"""What came after a carrier's invoice: records, corrections, decisions, and credit notes."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Change = Literal["new", "corrected", "decided"]


@dataclass(frozen=True, slots=True)
class ChangeSinceInvoice:
    """Calls of the period that changed after the newest invoice was issued, in one currency.

    Attributes:
        kind: ``new`` records, ``corrected`` records (another amount), or ``decided`` breaks.
        what: destination of the calls, or the decision.
        currency: currency of the amounts.
        calls: number of records or breaks.
        amount: charge of the records now, or money at risk of the breaks.
        amount_before: charge of the records before; 0 for new records and decisions.
    """

    kind: Change
    what: str
    currency: str
    calls: int
    amount: Decimal
    amount_before: Decimal

    @property
    def difference(self) -> Decimal:
        """What is charged more than before, or the money that was decided."""
        return self.amount - self.amount_before


@dataclass(frozen=True, slots=True)
class ReceivedCredit:
    """A credit note of the carrier that closes breaks of the period, or that closes none.

    Attributes:
        number: the carrier's number of the note.
        amount: its amount in ``currency``.
        used: part that closed breaks, of any period.
        account_id: account that owns the calls.
    """

    account_id: str
    number: str
    amount: Decimal
    currency: str
    used: Decimal

    @property
    def unused(self) -> Decimal:
        """Part that closes no break."""
        return self.amount - self.used
