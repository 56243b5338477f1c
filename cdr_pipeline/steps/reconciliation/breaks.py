"""Breaks: lists them by filter, and writes packs for the carrier and internal use."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.reconcile.result.breaks import Break, claims_of
from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria
from cdr_pipeline.core.uploads.profile import ACCOUNT_ZONE
from cdr_pipeline.errors import BreakNotFound
from cdr_pipeline.exports.break_tables import WrittenPack
from cdr_pipeline.exports.dispute_pack import write_dispute_pack
from cdr_pipeline.exports.internal_pack import write_internal_pack
from cdr_pipeline.sources.uploads.profiles import broken_profiles, list_profiles
from cdr_pipeline.steps.reconciliation.reconciliation_report import method_of
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay


@dataclass(frozen=True, slots=True)
class BreakFilter:
    """Selects breaks.

    Attributes:
        accounts: ids of accounts; all active ones when omitted.
        carrier: only breaks of this carrier.
        first_date, last_date: first and last business date.
        classes: only breaks of these classes; all when empty.
        states: open, accepted, disputed or credited; all when empty.
        older_than_days: only calls at least this many days ago.
        causes, destination, below, at_least, currency: see ``BreakCriteria``.
        assignee: only breaks that this person is in charge of.
    """

    accounts: Sequence[str] | None = None
    carrier: str | None = None
    first_date: date = date.min
    last_date: date = date.max
    classes: Sequence[str] = ()
    states: Sequence[str] = ()
    older_than_days: int = 0
    causes: Sequence[str] = ()
    destination: str | None = None
    below: Decimal | None = None
    at_least: Decimal | None = None
    currency: str | None = None
    assignee: str | None = None

    @property
    def criteria(self) -> BreakCriteria:
        """The part of the filter that a rule can have too."""
        return BreakCriteria(
            self.carrier,
            tuple(self.classes),
            tuple(self.causes),
            self.destination,
            self.below,
            self.at_least,
            self.currency,
        )


def list_breaks(wanted: BreakFilter, ctx: RunContext) -> list[Break]:
    """Breaks of the newest versions, the largest amount at risk first. Raises AccountNotFound."""
    newest = ctx.clock().date() - timedelta(days=wanted.older_than_days)
    with ctx.ledger() as ledger:
        return ledger.reconciliations.breaks(
            [account.account_id for account in ledger.accounts.active(wanted.accounts)],
            first_date=wanted.first_date,
            last_date=min(wanted.last_date, newest) if wanted.older_than_days else wanted.last_date,
            criteria=wanted.criteria,
            states=wanted.states,
            assignee=wanted.assignee,
        )


@dataclass(frozen=True, slots=True)
class PackRequest:
    """Which pack to write.

    Attributes:
        business_date, account_id, carrier: the carrier's day.
        folder: folder to write into.
        undecided: whether breaks without a decision are claimed too.
        internal: whether to write the internal pack, which has all breaks, instead of the pack for the carrier.
    """

    business_date: date
    account_id: str
    carrier: str
    folder: Path
    undecided: bool = False
    internal: bool = False


@dataclass(frozen=True, slots=True)
class ExportedPack:
    """A pack on disk.

    Attributes:
        pack: the files.
        left_out: disputed breaks that are not in the pack for the carrier, because nothing is charged too much.
        open: breaks without a decision that are not in the pack.
    """

    pack: WrittenPack
    left_out: int = 0
    open: int = 0


def export_breaks(request: PackRequest, ctx: RunContext) -> ExportedPack:
    """Writes a pack of a carrier's day: what is claimed from the carrier, or everything for internal use.

    Raises:
        AccountNotFound: the account is not registered.
        BreakNotFound: the day was not reconciled with that carrier.
        InvalidProfile: the profile with the carrier's rules is invalid.
        ExportError: the files cannot be written.
    """
    day = CarrierDay(request.account_id, request.carrier, request.business_date)
    with ctx.ledger() as ledger:
        (account,) = ledger.accounts.active([day.account_id])
        stored = ledger.versions.newest(day)
        if stored is None:
            raise BreakNotFound(
                "this day was not reconciled with that carrier",
                hint=f"'cdr-pipeline reconcile --date {day.business_date}' does it and names the carriers",
            )
        breaks = ledger.reconciliations.breaks(
            [day.account_id],
            first_date=day.business_date,
            last_date=day.business_date,
            criteria=BreakCriteria(day.carrier),
        )
    name = stored.version.profile or ""
    if name in (broken := broken_profiles(ctx.settings.profile_dir)):
        raise broken[name].error
    profile = list_profiles(ctx.settings.profile_dir).get(name)
    if request.internal:
        heading = [
            ("Carrier", day.carrier),
            ("Account", day.account_id),
            ("Business date", f"{day.business_date}, {account.time_zone}"),
            ("Version", f"{stored.number} of {stored.reconciled_at:%Y-%m-%d %H:%M} UTC"),
            ("Currency", stored.version.currency),
            ("Offset of the carrier's clock", f"{stored.version.offset_ms} ms, {stored.version.offset_status}"),
            *method_of(stored, profile.reconcile if profile else CarrierRules()),
        ]
        return ExportedPack(
            write_internal_pack(breaks, folder=request.folder, heading=heading, made_at=stored.reconciled_at)
        )
    claims = claims_of(breaks, undecided=request.undecided)
    states = Counter(item.state for item in breaks)
    claimed = Counter(item.state for item in claims)
    pack = write_dispute_pack(
        claims,
        folder=request.folder,
        account_id=day.account_id,
        carrier=day.carrier,
        day=day.business_date,
        zone=account.time_zone if profile is None or profile.time_zone == ACCOUNT_ZONE else profile.time_zone,
        made_at=stored.reconciled_at,
    )
    return ExportedPack(pack, states["disputed"] - claimed["disputed"], states["open"] - claimed["open"])
