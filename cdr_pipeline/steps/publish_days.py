"""Announces files of sealed days: after the ledger has them, so that what is announced is never taken back."""

from collections.abc import Sequence
from datetime import date

from cdr_pipeline.exports.daily_file import publish
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.ledger import Ledger


def publish_day(account_id: str, business_date: date, version: int, ledger: Ledger, at: Workplace) -> None:
    """Writes the manifests of a version as the ledger keeps them, and makes its files read-only.

    Raises:
        SealedFileDamaged: a file is missing or has other bytes than were sealed.
        ExportError: a manifest cannot be written.
    """
    for file in ledger.export_files(account_id, business_date, version):
        if file.manifest is not None:
            publish(at.settings.export_dir / file.path, file.sha256, file.manifest.encode())
    ledger.record_published_day(account_id, business_date, version, now=at.clock())


def publish_pending(account_ids: Sequence[str], ledger: Ledger, at: Workplace) -> list[tuple[str, date]]:
    """Announces what a process that died had sealed and not announced; which account-days those were.

    Raises:
        SealedFileDamaged, ExportError: as ``publish_day``.
    """
    pending = ledger.days_in_state(account_ids, "unpublished")
    for account_id, business_date in pending:
        known = ledger.day(account_id, business_date)
        publish_day(account_id, business_date, known.version, ledger, at)
    return pending
