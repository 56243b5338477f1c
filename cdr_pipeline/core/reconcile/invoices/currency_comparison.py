"""Comparison of a carrier's invoices with its records in one currency: what is payable, and what is withheld."""

from dataclasses import dataclass
from decimal import Decimal

from cdr_pipeline.core.reconcile.invoices.charges import ChargeParts
from cdr_pipeline.core.reconcile.invoices.compared_rows import ComparedRow


@dataclass(frozen=True, slots=True)
class CurrencyComparison:
    """Comparison in one currency.

    Attributes:
        currency: ISO 4217 code of all amounts.
        has_invoice: whether an invoice has amounts in this currency.
        invoiced: amount of the invoices without tax.
        tax: taxes on the invoices; not compared.
        parts: what is agreed, disputed and so on of what the records charge.
        claimed: the same without disputed, undecided and unverified charges that the invoices do not claim.
        rows: comparison by destination, the largest difference first.
        details: comparison by destination and what else the invoice states; empty if it states no more.
        invoiced_too_much: what the invoices have more than the records, row by row.
        invoiced_too_little: what the records have more than the invoices, row by row.
        credit_lines: credits on the invoices, as a positive amount.
        credits_settled: credits on the invoices that settle breaks decided as credited.
        credit_notes: what credit notes of the carrier, which are on no invoice, have credited of these calls.
        late_records, late_charged: calls of earlier periods that count in this one, because the carrier had moved on.
        later_records, later_charged: calls of this period that count in a later one.
    """

    currency: str
    has_invoice: bool
    invoiced: Decimal
    tax: Decimal
    parts: ChargeParts
    claimed: ChargeParts
    rows: tuple[ComparedRow, ...]
    details: tuple[ComparedRow, ...]
    invoiced_too_much: Decimal
    invoiced_too_little: Decimal
    credit_lines: Decimal
    credits_settled: Decimal
    credit_notes: Decimal
    late_records: int
    late_charged: Decimal
    later_records: int
    later_charged: Decimal

    @property
    def credit_due(self) -> Decimal:
        """What was decided as credited, without a credit on an invoice or a credit note."""
        return self.claimed.credited - self.credits_settled - self.credit_notes

    @property
    def payable(self) -> Decimal:
        """What we owe: agreed and accepted charges and other charges, as far as an invoice claims them."""
        not_claimed = self.parts.charged - self.claimed.charged
        return self.parts.owed - (self.invoiced_too_little - not_claimed)

    @property
    def withheld(self) -> Decimal:
        """What the invoices, or without invoices the records, claim beyond what is payable and credit notes."""
        parts = self.claimed
        open_parts = parts.disputed + self.credit_due + parts.undecided + parts.unpriced + parts.not_compared
        return open_parts + self.invoiced_too_much
