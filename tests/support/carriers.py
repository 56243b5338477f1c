"""Nights with carriers' files, reconciled."""

from datetime import date

from cdr_pipeline.simulator.carrier_file import CarrierFile, carrier_file, documents_of_business_day
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.reconciliation.reconcile_day import (
    ReconciledCarrier,
    ReconciledDay,
    ReconcileRequest,
    reconcile_day,
)
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import load_uploads
from cdr_pipeline.steps.uploads.register_uploads import register_dropped_files
from tests.support.nights import DAY, night


def drop(
    ctx: RunContext, account_id: str, content: str | bytes, name: str = "carrier.csv", profile: str = "generic"
) -> None:
    """A file in the drop folder, taken in and loaded."""
    folder = ctx.settings.upload_dir / account_id / profile
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert register_dropped_files(ctx).refused == ()
    loaded = load_uploads(ctx)
    assert (loaded.failures, loaded.held) == ((), ())


def carriers_night(ctx: RunContext, switch: SimulatedSwitch, day: date = DAY) -> dict[str, CarrierFile]:
    """The night of a day with every account's carrier file; by account."""
    night(ctx, day)
    files: dict[str, CarrierFile] = {}
    for account in switch.accounts:
        documents = documents_of_business_day(switch, account, day)
        files[account.account_id] = carrier_file(documents, account_id=account.account_id)
        drop(ctx, account.account_id, files[account.account_id].content)
    return files


def reconciled(ctx: RunContext, day: date = DAY, account_id: str | None = None) -> ReconciledDay:
    """The day, reconciled; without failures."""
    done = reconcile_day(ReconcileRequest(day, [account_id] if account_id else None), ctx)
    assert done.failures == ()
    return done


def of_account(done: ReconciledDay, account_id: str) -> ReconciledCarrier:
    """The one carrier's day of an account."""
    (item,) = (item for item in done.carriers if item.kept.day.account_id == account_id)
    return item
