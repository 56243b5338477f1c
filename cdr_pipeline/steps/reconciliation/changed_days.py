"""Days whose reconciliation was decided or written since a time, as they are now."""

from datetime import date, datetime

from cdr_pipeline.steps.reconciliation.decisions import settled_day
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconciledCarrier
from cdr_pipeline.steps.reconciliation.reconciliation_report import report_path
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay


def days_changed_since(since: datetime, ctx: RunContext) -> list[date]:
    """Business dates with decisions about breaks, or with new versions, since a time; oldest first."""
    with ctx.ledger() as ledger:
        accounts = [account.account_id for account in ledger.accounts.all()]
        return ledger.reconciliations.days_changed_since(accounts, since)


def reconciled_carriers(business_date: date, ctx: RunContext) -> list[ReconciledCarrier]:
    """The newest version of every carrier's day with its decisions. Compares nothing."""
    carriers: list[ReconciledCarrier] = []
    with ctx.ledger() as ledger:
        for account in ledger.accounts.all():
            for carrier in ledger.reconciliations.reconciled_carriers(account.account_id, business_date):
                day = CarrierDay(account.account_id, carrier, business_date)
                stored = ledger.versions.newest(day)
                if stored is not None:
                    settled = settled_day(day, ledger)
                    page = report_path(day, ctx.settings.reconciliation_dir, f"_v{stored.number}.html")
                    carriers.append(
                        ReconciledCarrier(
                            stored, page, asked=True, light=settled.light, open_breaks=settled.open_breaks
                        )
                    )
    return carriers
