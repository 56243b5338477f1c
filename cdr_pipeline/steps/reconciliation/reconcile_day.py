"""Reconciles the switch against carriers: a day, and every earlier day whose records have changed since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import UnknownProfile
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.reconciliation.reconcile_carrier import reconcile_carrier
from cdr_pipeline.steps.reconciliation.reconciliation_report import write_report
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay, StoredVersion, restore_links
from cdr_pipeline.warehouse.server.engine import translated


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """What to reconcile.

    Attributes:
        business_date: the day.
        accounts: whose; all active ones when omitted.
        carriers: which; all that are reconciled every night when omitted.
        changed_days: also every earlier day, as far back as the profile lets records be late, whose records have
            changed since it was reconciled.
    """

    business_date: date
    accounts: Sequence[str] | None = None
    carriers: Sequence[str] | None = None
    changed_days: bool = False


@dataclass(frozen=True, slots=True)
class ReconciledCarrier:
    """One carrier's day: the version that is in the warehouse now, and its page.

    Attributes:
        kept: the version; ``fresh`` when this call wrote it.
        report: where its page lies.
        asked: the day was asked for; otherwise it was done because its records had changed.
    """

    kept: StoredVersion
    report: Path
    asked: bool


@dataclass(frozen=True, slots=True)
class ReconciledDay:
    """What became of a request: carriers' days, and failures of carriers that left the others done."""

    business_date: date
    carriers: tuple[ReconciledCarrier, ...]
    failures: tuple[AccountFailure, ...]


def reconcile_day(request: ReconcileRequest, ctx: RunContext) -> ReconciledDay:
    """Compares, keeps what is new, links the records of one call, and writes a page per carrier and day.

    Raises:
        AccountNotFound: an account asked for is unknown.
        InvalidProfile: a profile is faulty.
    """
    profiles = list_profiles(ctx.settings.profile_dir)
    done: list[ReconciledCarrier] = []
    failures: list[AccountFailure] = []
    with ctx.ledger() as ledger:
        for account in ledger.accounts.active(request.accounts):
            compared: list[CarrierDay] = []
            for day in _days(request, account, profiles, ledger):
                try:
                    with translated():
                        carriers = _carriers(request, account, day, profiles, ledger)
                except Exception as error:  # noqa: BLE001 - one day's failure is that day's
                    failures.append(contained(account.account_id, f"day {day}", error))
                    continue
                for carrier, profile in carriers:
                    what = CarrierDay(account.account_id, carrier, day)
                    try:
                        with translated():
                            kept = reconcile_carrier(what, account, profile, ledger, ctx)
                            compared.append(what)
                            report = write_report(kept, account, profile.reconcile, ledger, ctx)
                    except Exception as error:  # noqa: BLE001 - one carrier's failure is that carrier's
                        failures.append(contained(account.account_id, f"{carrier} {day}", error))
                        continue
                    ctx.progress(f"reconciled {account.account_id} {carrier} {day}")
                    done.append(ReconciledCarrier(kept, report, asked=day == request.business_date))
            # A carrier's day may have ended a link that another one's pair needs.
            for what in compared:
                restore_links(ledger.connection, what, now=ctx.clock(), run_id=ctx.run_id)
    return ReconciledDay(request.business_date, tuple(done), tuple(failures))


def _days(request: ReconcileRequest, account: Account, profiles: dict[str, Profile], ledger: Ledger) -> list[date]:
    if not request.changed_days:
        return [request.business_date]
    lateness = max(profile.reconcile.lateness_days for profile in profiles.values())
    first, last = request.business_date - timedelta(days=lateness), request.business_date - timedelta(days=1)
    return [*ledger.reconciliations.due_days(account.account_id, first, last), request.business_date]


def _carriers(
    request: ReconcileRequest, account: Account, day: date, profiles: dict[str, Profile], ledger: Ledger
) -> list[tuple[str, Profile]]:
    """The day's carriers, each with the profile whose rules hold: the one named for it, else that of most records."""
    named = {profile.reconcile.carrier: profile for profile in profiles.values() if profile.reconcile.carrier}
    found: dict[str, Profile] = {}
    for item in sorted(
        ledger.reconciliations.carriers_of_day(account.account_id, day), key=lambda item: -item.row_count
    ):
        profile = named.get(item.carrier) or profiles.get(item.profile)
        if profile is None:
            raise UnknownProfile(
                f"there is no profile {item.profile} any more, by which records were read",
                hint="put its TOML file back into the folder of profiles",
            )
        found.setdefault(item.carrier, profile)
    asked = request.carriers
    return sorted(
        (
            (carrier, profile)
            for carrier, profile in found.items()
            if (carrier in asked if asked is not None else profile.reconcile.nightly)
        ),
        key=lambda item: item[0],
    )
