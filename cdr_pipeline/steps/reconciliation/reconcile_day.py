"""Reconciles the switch with carriers for a day, and for earlier days whose records have changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import InvalidProfile, UnknownProfile, UploadError
from cdr_pipeline.sources.uploads.profiles import BrokenProfile, broken_profiles, list_profiles
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.reconciliation.decision_rules import apply_rules
from cdr_pipeline.steps.reconciliation.decisions import settled_day
from cdr_pipeline.steps.reconciliation.reconcile_carrier import reconcile_carrier
from cdr_pipeline.steps.reconciliation.reconciliation_report import write_report
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay, StoredVersion
from cdr_pipeline.warehouse.server.engine import translated


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """What to reconcile.

    Attributes:
        business_date: day to reconcile.
        accounts: ids of accounts; all active ones when omitted.
        carriers: names of carriers; all that are reconciled every night when omitted.
        changed_days: whether to reconcile earlier days too, if their records have changed and they are within the
            lateness of the profile.
    """

    business_date: date
    accounts: Sequence[str] | None = None
    carriers: Sequence[str] | None = None
    changed_days: bool = False


@dataclass(frozen=True, slots=True)
class ReconciledCarrier:
    """Result for one carrier's day: the current version in the warehouse and its report.

    Attributes:
        kept: stored version; ``fresh`` when this call wrote it.
        report: path of its report.
        asked: whether the day was requested; otherwise it was reconciled because its records had changed.
        light: verdict after decisions: green, red or settled.
        open_breaks: number of breaks without a decision.
    """

    kept: StoredVersion
    report: Path
    asked: bool
    light: str
    open_breaks: int

    @property
    def rejected_lines(self) -> int:
        """Number of rejected lines of the carrier's files on the day."""
        return self.kept.version.rejected_lines


@dataclass(frozen=True, slots=True)
class ReconciledDay:
    """Result of a request: days of carriers, and failures. A failure of one carrier does not affect the others."""

    business_date: date
    carriers: tuple[ReconciledCarrier, ...]
    failures: tuple[AccountFailure, ...]


def reconcile_day(request: ReconcileRequest, ctx: RunContext) -> ReconciledDay:
    """Compares, stores new versions, links records of the same call, and writes reports by carrier and day.

    Raises:
        AccountNotFound: a requested account is not registered.
    """
    profiles, broken = list_profiles(ctx.settings.profile_dir), broken_profiles(ctx.settings.profile_dir)
    done: list[ReconciledCarrier] = []
    failures: list[AccountFailure] = []
    with ctx.ledger() as ledger:
        accounts = ledger.accounts.active(request.accounts)
        with_carriers = ledger.reconciliations.accounts_of_carriers([account.account_id for account in accounts])
        for account in accounts:
            if account.account_id not in with_carriers:
                continue
            compared: list[CarrierDay] = []
            for day in _days(request, account, profiles, ledger):
                try:
                    with translated():
                        carriers, unusable = _carriers(request, account, day, profiles, broken=broken, ledger=ledger)
                except Exception as error:  # noqa: BLE001 - a failure affects only its day
                    failures.append(contained(account.account_id, f"day {day}", error))
                    continue
                failures += [
                    contained(account.account_id, f"{carrier} {day}", error) for carrier, error in unusable.items()
                ]
                for carrier, profile in carriers:
                    carrier_day = CarrierDay(account.account_id, carrier, day)
                    try:
                        with translated():
                            version = reconcile_carrier(carrier_day, account, profile, ledger, ctx)
                            compared.append(carrier_day)
                            apply_rules(carrier_day, ledger, ctx)
                            settled = settled_day(carrier_day, ledger)
                            report = write_report(version, account, profile.reconcile, ledger, ctx)
                    except Exception as error:  # noqa: BLE001 - a failure affects only its carrier
                        failures.append(contained(account.account_id, f"{carrier} {day}", error))
                        continue
                    ctx.progress(f"reconciled {account.account_id} {carrier} {day}")
                    asked = day == request.business_date
                    done.append(ReconciledCarrier(version, report, asked, settled.light, settled.open_breaks))
            # Reconciling one carrier may have removed a link that the pair of another carrier needs.
            for carrier_day in compared:
                try:
                    with translated():
                        ledger.versions.restore_links(carrier_day, now=ctx.clock(), run_id=ctx.run_id)
                except Exception as error:  # noqa: BLE001 - a failure affects only its carrier
                    work = f"links of {carrier_day.carrier} {carrier_day.business_date}"
                    failures.append(contained(account.account_id, work, error))
    return ReconciledDay(request.business_date, tuple(done), tuple(failures))


def _days(request: ReconcileRequest, account: Account, profiles: dict[str, Profile], ledger: Ledger) -> list[date]:
    if not request.changed_days:
        return [request.business_date]
    lateness = max(profile.reconcile.lateness_days for profile in profiles.values())
    first, last = request.business_date - timedelta(days=lateness), request.business_date - timedelta(days=1)
    return [*ledger.reconciliations.due_days(account.account_id, first, last), request.business_date]


def _carriers(
    request: ReconcileRequest,
    account: Account,
    day: date,
    profiles: dict[str, Profile],
    *,
    broken: dict[str, BrokenProfile],
    ledger: Ledger,
) -> tuple[list[tuple[str, Profile]], dict[str, UploadError]]:
    """The day's carriers, each with its profile: the one that names the carrier, else the one of most records.

    Returns:
        Carriers that are to be reconciled, and the errors of those without a valid profile.
    """
    named = {profile.reconcile.carrier: profile for profile in profiles.values() if profile.reconcile.carrier}
    invalid = {profile.carrier: profile.error for profile in broken.values() if profile.carrier}
    profile_of: dict[str, Profile] = {}
    unusable: dict[str, UploadError] = {}
    requested = request.carriers
    for item in sorted(
        ledger.reconciliations.carriers_of_day(account.account_id, day), key=lambda item: -item.row_count
    ):
        carrier = item.carrier
        profile = named.get(carrier) or (None if carrier in invalid else profiles.get(item.profile))
        if profile is not None:
            profile_of.setdefault(carrier, profile)
        elif requested is None or carrier in requested:
            unusable.setdefault(carrier, _no_profile(item.profile, invalid.get(carrier), broken))
    chosen = [
        (carrier, profile)
        for carrier, profile in profile_of.items()
        if carrier not in unusable and (carrier in requested if requested is not None else profile.reconcile.nightly)
    ]
    return sorted(chosen, key=lambda item: item[0]), unusable


def _no_profile(name: str, named: InvalidProfile | None, broken: dict[str, BrokenProfile]) -> UploadError:
    if named is not None:
        return named
    if name in broken:
        return broken[name].error
    return UnknownProfile(
        f"there is no profile {name} any more, by which records were read",
        hint="put its TOML file back into the folder of profiles",
    )
