"""Findings about the invoices of a period, as text. They contain no personal data."""

from collections.abc import Sequence
from decimal import Decimal

from cdr_pipeline.core.reconcile.invoices.currency_comparison import CurrencyComparison
from cdr_pipeline.core.reconcile.invoices.invoice import Invoice
from cdr_pipeline.core.reconcile.invoices.later_changes import ChangeSinceInvoice, ReceivedCredit


def period_findings(
    compared: Sequence[CurrencyComparison],
    inside: Sequence[Invoice],
    overlapping: Sequence[Invoice],
    changes: Sequence[ChangeSinceInvoice],
    notes: Sequence[ReceivedCredit],
) -> list[str]:
    """What a person should know about the invoices of a period, as text.

    Args:
        compared: comparison by currency.
        inside: invoices of the period.
        overlapping: invoices that cover other days too.
        changes: what came after the newest invoice.
        notes: credit notes of the carrier.
    """
    findings: list[str] = []
    if not inside:
        findings.append("no invoice of this period was entered; what is payable follows from the carrier's records")
    findings += [
        f"invoice {item.number} covers {item.first_date} to {item.last_date} and is not compared here"
        for item in overlapping
    ]
    for number, item in enumerate(inside):
        for other in inside[number + 1 :]:
            both_use = all(any(line.kind == "usage" for line in invoice.lines) for invoice in (item, other))
            is_one_account = item.account_id == other.account_id
            if (
                both_use
                and is_one_account
                and max(item.first_date, other.first_date) <= min(item.last_date, other.last_date)
            ):
                findings.append(f"invoices {item.number} and {other.number} both bill calls of the same days")
    for item in compared:
        if inside and not item.has_invoice:
            findings.append(f"charged in {item.currency} and on no invoice: {item.parts.charged:.4f} {item.currency}")
        findings += _findings_in(item)
    findings += _changes_in_words(changes)
    findings += [
        f"credit note {note.number}: {note.unused:.4f} of {note.amount:.4f} {note.currency} close no break"
        for note in notes
        if note.unused
    ]
    return findings


def _changes_in_words(changes: Sequence[ChangeSinceInvoice]) -> list[str]:
    """One finding per kind of change and currency."""
    words = {"new": "came with later files", "corrected": "were corrected", "decided": "were decided"}
    sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for change in changes:
        calls, amount = sums.get((change.kind, change.currency), (0, Decimal(0)))
        sums[change.kind, change.currency] = (calls + change.calls, amount + change.difference)
    return [
        f"since the invoice, {calls} {'breaks' if kind == 'decided' else 'records'} {words[kind]}: {amount:+.4f} {unit}"
        for (kind, unit), (calls, amount) in sums.items()
    ]


def _findings_in(item: CurrencyComparison) -> list[str]:
    unit, parts = item.currency, item.claimed
    findings: list[str] = []
    unknown = [row.name for row in item.rows if row.invoiced and not row.records and not row.legs]
    if unknown:
        findings.append(
            f"{len(unknown)} destination(s) of the invoice are in no record: {', '.join(unknown[:5])}; if the names"
            " differ, use the names of the rate card"
        )
    if item.invoiced_too_much:
        findings.append(f"invoiced beyond the records: {item.invoiced_too_much:.4f} {unit}")
    if item.invoiced_too_little:
        withheld = parts.disputed + parts.undecided
        findings.append(
            f"in the records and not invoiced: {item.invoiced_too_little:.4f} {unit}"
            + (f"; the invoice may leave out some of the {withheld:.4f} {unit} in dispute" if withheld else "")
        )
    if item.late_records:
        findings.append(
            f"billed late: {item.late_records} calls of earlier periods, {item.late_charged:.4f} {unit}, count here"
        )
    if item.later_records:
        findings.append(
            f"{item.later_records} calls of this period, {item.later_charged:.4f} {unit}, came with later files and"
            " count in a later period"
        )
    if parts.unpriced:
        findings.append(f"without an agreed price: {parts.unpriced:.4f} {unit}")
    if parts.not_charged:
        findings.append(f"not charged yet: {parts.not_charged:.4f} {unit} by the agreed prices")
    return findings
