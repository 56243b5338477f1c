"""Announces files of sealed days: after the ledger has them, so that what is announced is never taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cdr_pipeline.exports.daily_file import publish
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.engine import translated


@dataclass(frozen=True, slots=True)
class UnpublishedDay:
    """A sealed day whose manifests could not be written, the version of its files, and why."""

    account_id: str
    business_date: date
    version: int
    failure: AccountFailure


def publish_day(account_id: str, business_date: date, version: int, ledger: Ledger, ctx: RunContext) -> None:
    """Writes the manifests of a version as the ledger keeps them, and makes its files read-only.

    Raises:
        SealedFileDamaged: a file is missing or has other bytes than were sealed.
        ExportError: a manifest cannot be written.
    """
    for file in ledger.day_states.files(account_id, business_date, version):
        if file.manifest is not None:
            publish(ctx.settings.export_dir / file.path, file.sha256, file.manifest.encode())
    ledger.day_states.record_published(account_id, business_date, version, now=ctx.clock())


def publish_pending(account_ids: Sequence[str], ledger: Ledger, ctx: RunContext) -> list[UnpublishedDay]:
    """Announces what a process that died had sealed and not announced.

    Returns:
        Days that could not be announced; the others are. The next call tries them again.
    """
    failed: list[UnpublishedDay] = []
    for account_id, business_date in ledger.day_states.in_state(account_ids, "unpublished"):
        version = 0
        try:
            with translated():
                version = ledger.days.find(account_id, business_date).version
                publish_day(account_id, business_date, version, ledger, ctx)
        except Exception as error:  # noqa: BLE001 - one day's failure is that day's
            failure = contained(account_id, f"files of {business_date}", error)
            failed.append(UnpublishedDay(account_id, business_date, version, failure))
    return failed
