"""Enters invoices of carriers and lists them. An invoice is never replaced silently: a correction is a new version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from cdr_pipeline.core.reconcile.invoices.invoice import Invoice, InvoiceLine
from cdr_pipeline.core.time.local_time import is_zone
from cdr_pipeline.core.uploads.profile import ACCOUNT_ZONE
from cdr_pipeline.errors import ConfigurationError, InvalidInvoice, InvoiceExists, InvoiceNotFound
from cdr_pipeline.sources.invoice_files import checked_amount, checked_currency, read_invoice_lines
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger

_LONGEST: Final = 100


@dataclass(frozen=True, slots=True)
class InvoiceEntry:
    """An invoice to enter.

    Attributes:
        carrier: name of the carrier, as in the reconciliations.
        number: the carrier's number of the invoice.
        first_date, last_date: billing period in the carrier's zone, both days included.
        entered_by: person who enters it; recorded.
        account_id: account that owns the carrier's calls; None if there is only one.
        path: CSV file with its lines; None for a total.
        total: the total as text, without a file.
        currency: currency of the total, or of lines that name none; "" if every line names its own.
        time_zone: zone of the period; None for that of the carrier's profile, otherwise of the account.
        issued_on: date on the invoice.
        reason: why a stored invoice is replaced.
        replace: whether a stored invoice of this number may get a new version.
    """

    carrier: str
    number: str
    first_date: date
    last_date: date
    entered_by: str
    account_id: str | None = None
    path: Path | None = None
    total: str | None = None
    currency: str = ""
    time_zone: str | None = None
    issued_on: date | None = None
    reason: str = ""
    replace: bool = False


@dataclass(frozen=True, slots=True)
class InvoiceEntered:
    """The stored invoice, and whether this call wrote it; an equal invoice is not written again."""

    invoice: Invoice
    is_new: bool


def add_invoice(entry: InvoiceEntry, ctx: RunContext) -> InvoiceEntered:
    """Stores an invoice, or the next version of one with ``replace`` and a reason. Stores all of it or nothing.

    Raises:
        AccountNotFound: the account is not registered.
        ConfigurationError: a value of the entry is missing or not valid.
        InvalidInvoice: the file or the total is not valid; the message names file, line and column.
        InvoiceExists: the stored invoice of this number has other content, and ``replace`` or the reason is missing.
    """
    _require_texts(entry)
    with ctx.ledger() as ledger:
        account = _account(entry.account_id, ledger)
        invoice = Invoice(
            account_id=account.account_id,
            carrier=entry.carrier.strip(),
            number=entry.number.strip(),
            first_date=entry.first_date,
            last_date=entry.last_date,
            time_zone=entry.time_zone or carrier_zone(entry.carrier.strip(), account, ctx),
            issued_on=entry.issued_on,
            lines=_lines(entry),
            file_name=entry.path.name if entry.path else "",
            reason=entry.reason.strip(),
            entered_by=entry.entered_by.strip(),
        )
        with ledger.accounts.lock_out_loads(account.account_id):
            before = ledger.invoices.newest(account.account_id, invoice.carrier, invoice.number)
            if before is not None and before.content_hash == invoice.content_hash:
                (stored,) = ledger.invoices.find([account.account_id], carrier=invoice.carrier, number=invoice.number)
                return InvoiceEntered(stored, is_new=False)
            if before is not None and not (entry.replace and invoice.reason):
                raise InvoiceExists(
                    f"invoice {invoice.number} of {invoice.carrier} is stored as version {before.version} with other"
                    " content; nothing was stored",
                    hint="'cdr-pipeline invoices show' shows it; to correct it, repeat with --replace --reason TEXT",
                )
            return InvoiceEntered(ledger.invoices.add(invoice, now=ctx.clock()), is_new=True)


def list_invoices(
    ctx: RunContext,
    *,
    accounts: Sequence[str] | None = None,
    carrier: str | None = None,
    number: str | None = None,
    every_version: bool = False,
) -> list[Invoice]:
    """Invoices by period, carrier and number; the newest versions, unless every version is requested.

    Raises:
        AccountNotFound: a requested account is not registered.
    """
    with ctx.ledger() as ledger:
        owners = [account.account_id for account in ledger.accounts.active(accounts)]
        return ledger.invoices.find(owners, carrier=carrier, number=number, every_version=every_version)


def show_invoice(
    number: str, ctx: RunContext, *, carrier: str | None = None, accounts: Sequence[str] | None = None
) -> list[Invoice]:
    """All versions of one invoice, oldest first.

    Raises:
        AccountNotFound: a requested account is not registered.
        InvoiceNotFound: no invoice, or invoices of several carriers or accounts, have this number.
    """
    versions = list_invoices(ctx, accounts=accounts, carrier=carrier, number=number, every_version=True)
    owners = {(item.account_id, item.carrier) for item in versions}
    if len(owners) != 1:
        places = ", ".join(f"{name} of account {account_id}" for account_id, name in sorted(owners))
        raise InvoiceNotFound(
            f"several invoices have the number {number!r}: {places}" if owners else f"no invoice has number {number!r}",
            hint="add --carrier and --account" if owners else "'cdr-pipeline invoices list' shows the numbers",
        )
    return versions


def carrier_zone(carrier: str, account: Account, ctx: RunContext) -> str:
    """Zone in which a carrier bills: that of the profile that names it, otherwise the account's."""
    for profile in list_profiles(ctx.settings.profile_dir).values():
        if carrier in {profile.reconcile.carrier, profile.name} and profile.time_zone != ACCOUNT_ZONE:
            return profile.time_zone
    return account.time_zone


def _account(account_id: str | None, ledger: Ledger) -> Account:
    accounts = ledger.accounts.active([account_id] if account_id else None)
    if len(accounts) == 1:
        return accounts[0]
    roots = [account for account in accounts if account.parent_id not in {other.account_id for other in accounts}]
    if len(roots) == 1:
        return roots[0]
    raise ConfigurationError(
        f"{len(accounts)} accounts are registered, and no account was named",
        hint="add --account ID; 'cdr-pipeline accounts list' shows the ids",
    )


def _require_texts(entry: InvoiceEntry) -> None:
    named = (("carrier", entry.carrier), ("number", entry.number), ("entered_by", entry.entered_by))
    for name, text in named:
        if not text.strip() or len(text) > _LONGEST or not text.isprintable():
            raise ConfigurationError(f"{name}: expected 1 to {_LONGEST} printable characters")
    if entry.first_date > entry.last_date:
        raise ConfigurationError("the billing period ends before it begins", hint="swap the two days")
    if entry.time_zone is not None and not is_zone(entry.time_zone):
        raise ConfigurationError("the time zone is no IANA time zone", hint="such as Europe/Berlin")
    if (entry.path is None) == (entry.total is None):
        raise ConfigurationError("give either a file with the lines of the invoice, or its total")


def _lines(entry: InvoiceEntry) -> tuple[InvoiceLine, ...]:
    try:
        currency = checked_currency(entry.currency) if entry.currency else ""
    except ValueError as error:
        raise InvalidInvoice("the currency is not valid; nothing was stored", hint=f"give {error}") from None
    if entry.path is not None:
        return read_invoice_lines(entry.path, currency=currency, last_date=entry.last_date)
    if not currency:
        raise InvalidInvoice("the total has no currency; nothing was stored", hint="add --currency EUR")
    try:
        amount = checked_amount(entry.total or "")
    except ValueError as error:
        raise InvalidInvoice("the total is not valid; nothing was stored", hint=f"give {error}") from None
    return (InvoiceLine(1, "credit" if amount < 0 else "usage", "", None, None, "", None, None, amount, currency),)
