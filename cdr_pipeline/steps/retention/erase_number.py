"""Erases a number on request.

Masks the number in every record, keeps every total, and lists the files that still contain the number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cdr_pipeline.core.records.erasure import number_pattern
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.records.extracts import clear_extracts, withdraw_extracts
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.retention.erasures import ShownFile


@dataclass(frozen=True, slots=True)
class EraseRequest:
    """What to erase.

    Attributes:
        number: number in E.164 form with ``+``.
        actor: person responsible; recorded in the audit log.
        reason: reason for the audit log, without the number or the name of its owner.
        accounts: ids of accounts to search; all accounts when omitted.
        reissue: whether sealed days are restated, so that new versions of their files do not contain the number.
        dry_run: whether to report the result without changing anything.
    """

    number: str
    actor: str
    reason: str
    accounts: Sequence[str] | None = None
    reissue: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ErasedAccount:
    """Result for one account.

    Attributes:
        account_id: account that owns the records.
        records: number of masked records: those with the number, and linked records of the same legs.
        rejects: number of rejected rows whose raw text was cleared.
        days: number of days whose files must be written again.
        files: files outside the warehouse that contain the number or may contain it. The operator decides which to
            replace or delete.
    """

    account_id: str
    records: int
    rejects: int
    days: int
    files: tuple[ShownFile, ...]


def erase_number(request: EraseRequest, ctx: RunContext) -> list[ErasedAccount]:
    """Masks the number in records, their earlier versions and rejected rows, in one transaction per account.

    A record is masked in full, by the rules of retention: every number loses its last four characters, names and
    documents are removed. Direction, times, seconds, money, carrier and destination stay, so totals do not change.
    Sealed files and their manifests are not touched. Extracts of an account with such records are withdrawn, and their
    files deleted. Running it again erases the number from records added since.

    Returns:
        Accounts that had records or rejects with the number.

    Raises:
        ConfigurationError: the number is incomplete, or actor or reason is missing.
        AccountNotFound: a requested account is not registered.
    """
    if not (request.actor.strip() and request.reason.strip()):
        raise ConfigurationError("an erasure needs the name of who answers for it, and a reason")
    erased: list[ErasedAccount] = []
    with ctx.ledger() as ledger:
        accounts = ledger.accounts.all() if request.accounts is None else ledger.accounts.active(request.accounts)
        for account in accounts:
            pattern = number_pattern(request.number, account.country_code)
            with ledger.erasures.begin(account.account_id, now=ctx.clock(), keep=not request.dry_run) as erasure:
                rejects = erasure.erase(pattern)
                records = erasure.record(actor=request.actor, reason=request.reason, rejects=len(rejects))
                days = erasure.touch_days(reissue=request.reissue)
                files = tuple(erasure.files(rejects))
                # A file that was made for an account shows its records; the request of one can contain the number.
                shown = None if records or rejects else pattern
                withdraw_extracts(account.account_id, ledger, now=ctx.clock(), pattern=shown)
            if not request.dry_run:
                # Extracts that were requested meanwhile have read the records as they were.
                withdraw_extracts(account.account_id, ledger, now=ctx.clock(), pattern=shown)
            ctx.progress(f"looked through {account.account_id}")
            if records or rejects:
                erased.append(ErasedAccount(account.account_id, records, len(rejects), days, files))
    if not request.dry_run:
        clear_extracts(ctx)
    return erased
