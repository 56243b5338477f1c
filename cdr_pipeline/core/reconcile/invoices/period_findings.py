"""Findings about the invoices of a period, as text. They contain no personal data."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from cdr_pipeline.core.charts.composed_text import ComposedText
from cdr_pipeline.core.reconcile.invoices.currency_comparison import CurrencyComparison
from cdr_pipeline.core.reconcile.invoices.invoice import Invoice
from cdr_pipeline.core.reconcile.invoices.later_changes import ChangeSinceInvoice, ReceivedCredit

_PLACES: Final = Decimal("0.0001")
_CHANGES: Final = {
    "new": "since the invoice, {calls} records came with later files: {sign}{amount} {unit}",
    "corrected": "since the invoice, {calls} records were corrected: {sign}{amount} {unit}",
    "decided": "since the invoice, {calls} breaks were decided: {sign}{amount} {unit}",
}


def period_findings(
    compared: Sequence[CurrencyComparison],
    inside: Sequence[Invoice],
    overlapping: Sequence[Invoice],
    changes: Sequence[ChangeSinceInvoice],
    notes: Sequence[ReceivedCredit],
) -> list[ComposedText]:
    """What a person should know about the invoices of a period, as text.

    Args:
        compared: comparison by currency.
        inside: invoices of the period.
        overlapping: invoices that cover other days too.
        changes: what came after the newest invoice.
        notes: credit notes of the carrier.
    """
    findings: list[ComposedText] = []
    if not inside:
        findings.append(
            ComposedText("no invoice of this period was entered; what is payable follows from the carrier's records")
        )
    findings += [
        ComposedText(
            "invoice {number} covers {first} to {last} and is not compared here",
            number=item.number,
            first=item.first_date,
            last=item.last_date,
        )
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
                text = "invoices {first} and {second} both bill calls of the same days"
                findings.append(ComposedText(text, first=item.number, second=other.number))
    for item in compared:
        if inside and not item.has_invoice:
            findings.append(_money("charged in {unit} and on no invoice: {amount} {unit}", item, item.parts.charged))
        findings += _findings_in(item)
    findings += _changes_in_words(changes)
    findings += [
        ComposedText(
            "credit note {number}: {unused} of {amount} {unit} close no break",
            number=note.number,
            unused=note.unused.quantize(_PLACES),
            amount=note.amount.quantize(_PLACES),
            unit=note.currency,
        )
        for note in notes
        if note.unused
    ]
    return findings


def _changes_in_words(changes: Sequence[ChangeSinceInvoice]) -> list[ComposedText]:
    """One finding per kind of change and currency."""
    sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for change in changes:
        calls, amount = sums.get((change.kind, change.currency), (0, Decimal(0)))
        sums[change.kind, change.currency] = (calls + change.calls, amount + change.difference)
    return [
        ComposedText(
            _CHANGES[kind],
            calls=calls,
            sign="-" if amount < 0 else "+",
            amount=abs(amount).quantize(_PLACES),
            unit=unit,
        )
        for (kind, unit), (calls, amount) in sums.items()
    ]


def _money(template: str, item: CurrencyComparison, amount: Decimal, **values: object) -> ComposedText:
    """A finding about an amount in a currency."""
    return ComposedText(template, amount=amount.quantize(_PLACES), unit=item.currency, **values)


def _findings_in(item: CurrencyComparison) -> list[ComposedText]:
    parts = item.claimed
    findings: list[ComposedText] = []
    unknown = [row.name for row in item.rows if row.invoiced and not row.records and not row.legs]
    if unknown:
        text = (
            "{count} destination of the invoice is in no record: {names}; if the name differs, use that of the rate"
            " card"
            if len(unknown) == 1
            else "{count} destinations of the invoice are in no record: {names}; if the names differ, use those of the"
            " rate card"
        )
        findings.append(ComposedText(text, count=len(unknown), names=", ".join(unknown[:5])))
    if item.invoiced_too_much:
        findings.append(_money("invoiced beyond the records: {amount} {unit}", item, item.invoiced_too_much))
    if item.invoiced_too_little:
        withheld = parts.disputed + parts.undecided
        text = (
            "in the records and not invoiced: {amount} {unit}; the invoice may leave out some of the {withheld} {unit}"
            " in dispute"
            if withheld
            else "in the records and not invoiced: {amount} {unit}"
        )
        findings.append(_money(text, item, item.invoiced_too_little, withheld=withheld.quantize(_PLACES)))
    if item.late_records:
        text = "billed late: {calls} calls of earlier periods, {amount} {unit}, count here"
        findings.append(_money(text, item, item.late_charged, calls=item.late_records))
    if item.later_records:
        text = "{calls} calls of this period, {amount} {unit}, came with later files and count in a later period"
        findings.append(_money(text, item, item.later_charged, calls=item.later_records))
    if parts.unpriced:
        findings.append(_money("without an agreed price: {amount} {unit}", item, parts.unpriced))
    if parts.not_charged:
        findings.append(_money("not charged yet: {amount} {unit} by the agreed prices", item, parts.not_charged))
    return findings
