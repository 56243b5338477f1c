"""Erases a number on request: no record shows it any more, every total stays, and files that still do are named."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdr_pipeline.core.records.erasure import number_pattern
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import ShownFile


@dataclass(frozen=True, slots=True)
class EraseRequest:
    """What to erase.

    Attributes:
        number: E.164 form with ``+``.
        actor: who answers for it.
        reason: why, without the number or the name of whose it is.
        accounts: in whose records; in everybody's when omitted.
        reissue: has sealed days restated, so that new versions of their files do not show it.
        dry_run: only says what would be erased.
    """

    number: str
    actor: str
    reason: str
    accounts: Sequence[str] | None = None
    reissue: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ErasedAccount:
    """What was found in one account.

    Attributes:
        account_id: whose records.
        records: in which the number stood, or the other record of whose leg did.
        rejects: refused rows whose raw text was emptied.
        days: whose files are due to be written again.
        files: outside the warehouse that show it, or may: for whoever decides what is sent anew and what deleted.
    """

    account_id: str
    records: int
    rejects: int
    days: int
    files: tuple[ShownFile, ...]


def erase_number(request: EraseRequest, ctx: RunContext) -> list[ErasedAccount]:
    """Masks the number in records, their earlier versions and refused rows; each account in a transaction of its own.

    A record is masked whole, as retention masks: every number of it without its last four characters, names and
    documents not at all. Direction, times, seconds, money, carrier and destination stay, and with them all totals.
    Sealed files are not touched, and no manifest is made to lie. Doing it again erases what has come since.

    Returns:
        Accounts in which something was found.

    Raises:
        ConfigurationError: it is no whole number, or nobody answers for it.
        AccountNotFound: an account asked for is unknown.
    """
    if not (request.actor.strip() and request.reason.strip()):
        raise ConfigurationError("an erasure needs the name of who answers for it, and a reason")
    found: list[ErasedAccount] = []
    with ctx.ledger() as ledger:
        accounts = ledger.accounts.all() if request.accounts is None else ledger.accounts.active(request.accounts)
        for account in accounts:
            pattern = number_pattern(request.number, account.country_code)
            with ledger.erasures.begin(account.account_id, now=ctx.clock(), keep=not request.dry_run) as erasure:
                rejects = erasure.erase(pattern)
                records = erasure.record(actor=request.actor, reason=request.reason, rejects=len(rejects))
                days = erasure.touch_days(reissue=request.reissue)
                files = tuple(erasure.files(rejects))
            ctx.progress(f"looked through {account.account_id}")
            if records or rejects:
                found.append(ErasedAccount(account.account_id, records, len(rejects), days, files))
    return found
