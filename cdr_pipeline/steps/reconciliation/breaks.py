"""Breaks: lists them by filter, records decisions about them, and writes packs for the carrier and internal use."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.reconcile.result.breaks import Break, Decision, claims_of
from cdr_pipeline.core.uploads.profile import ACCOUNT_ZONE
from cdr_pipeline.errors import BreakNotFound
from cdr_pipeline.exports.break_tables import WrittenPack
from cdr_pipeline.exports.dispute_pack import write_dispute_pack
from cdr_pipeline.exports.internal_pack import write_internal_pack
from cdr_pipeline.sources.uploads.profiles import broken_profiles, list_profiles
from cdr_pipeline.steps.reconciliation.reconciliation_report import method_of
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay

# Minimum length of the beginning of an id. Shorter ones are usually typing errors.
_SHORTEST_ID: Final = 6


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
    """

    accounts: Sequence[str] | None = None
    carrier: str | None = None
    first_date: date = date.min
    last_date: date = date.max
    classes: Sequence[str] = ()
    states: Sequence[str] = ()
    older_than_days: int = 0


def list_breaks(wanted: BreakFilter, ctx: RunContext) -> list[Break]:
    """Breaks of the newest versions, the largest amount at risk first. Raises AccountNotFound."""
    newest = ctx.clock().date() - timedelta(days=wanted.older_than_days)
    with ctx.ledger() as ledger:
        breaks = ledger.reconciliations.breaks(
            [account.account_id for account in ledger.accounts.active(wanted.accounts)],
            first_date=wanted.first_date,
            last_date=min(wanted.last_date, newest) if wanted.older_than_days else wanted.last_date,
            carrier=wanted.carrier,
        )
    return [
        item
        for item in breaks
        if (not wanted.classes or item.match_class in wanted.classes)
        and (not wanted.states or item.state in wanted.states)
    ]


def decide_breaks(
    ids: Sequence[str], ctx: RunContext, *, decision: Decision, reason: str, decided_by: str
) -> list[Break]:
    """Records a decision about breaks in one transaction. Records nothing if an id matches no break or several.

    A decision applies only to the break as it was listed. If amount, class or partner change, it is a new, open break.

    Raises:
        BreakNotFound: an id matches no break of the newest versions, or more than one.
    """
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.all()]
        breaks: list[Break] = []
        for wanted in ids:
            matches = (
                ledger.reconciliations.breaks(account_ids, id_prefix=wanted, most=2)
                if len(wanted) >= _SHORTEST_ID
                else []
            )
            if len(matches) != 1:
                raise BreakNotFound(
                    f"{len(matches) or 'no'} break(s) have an id that begins with {wanted!r}; nothing was decided",
                    hint=f"'cdr-pipeline breaks list' shows ids; give at least {_SHORTEST_ID} characters",
                )
            breaks += matches
        with ledger.transaction():
            for item in breaks:
                ledger.reconciliations.record_decision(
                    account_id=item.account_id,
                    outcome_id=item.outcome_id,
                    decision=decision,
                    reason=reason,
                    decided_by=decided_by,
                    now=ctx.clock(),
                )
    return breaks


def fully_decided_days(breaks: Sequence[Break], ctx: RunContext) -> list[tuple[date, str]]:
    """Days and accounts of breaks that have no break without a decision left."""
    with ctx.ledger() as ledger:
        return [
            (day, account_id)
            for day, account_id in sorted({(item.business_date, item.account_id) for item in breaks})
            if all(
                item.state != "open"
                for item in ledger.reconciliations.breaks([account_id], first_date=day, last_date=day)
            )
        ]


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
            [day.account_id], first_date=day.business_date, last_date=day.business_date, carrier=day.carrier
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
