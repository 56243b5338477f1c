"""Publishes the manifests of sealed days after the ledger has recorded them, so that none is ever withdrawn."""

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
    """A sealed day whose manifests could not be written, with the version of its files and the cause."""

    account_id: str
    business_date: date
    version: int
    failure: AccountFailure


def publish_day(account_id: str, business_date: date, version: int, ledger: Ledger, ctx: RunContext) -> None:
    """Writes the manifests of a version as stored in the ledger, and makes its files read-only.

    Raises:
        SealedFileDamaged: a file is missing or differs from the sealed bytes.
        ExportError: a manifest cannot be written.
    """
    for file in ledger.day_states.files(account_id, business_date, version):
        if file.manifest is not None:
            publish(ctx.settings.export_dir / file.path, file.sha256, file.manifest.encode())
    ledger.day_states.record_published([(account_id, business_date, version)], now=ctx.clock())


def publish_pending(account_ids: Sequence[str], ledger: Ledger, ctx: RunContext) -> list[UnpublishedDay]:
    """Publishes days that a killed process has sealed without publishing them.

    Returns:
        Days that could not be published. The next call tries them again.
    """
    failed: list[UnpublishedDay] = []
    for account_id, business_date in ledger.day_states.in_state(account_ids, "unpublished"):
        version = 0
        try:
            with translated():
                version = ledger.days.find(account_id, business_date).version
                publish_day(account_id, business_date, version, ledger, ctx)
        except Exception as error:  # noqa: BLE001 - a failure affects only its day
            failure = contained(account_id, f"files of {business_date}", error)
            failed.append(UnpublishedDay(account_id, business_date, version, failure))
    return failed
