"""Breaks that people work with: found by what they look for, decided one by one, given to the carrier as a pack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.reconcile.result.breaks import Break, Decision
from cdr_pipeline.errors import BreakNotFound
from cdr_pipeline.exports.dispute_pack import DisputePack, write_pack
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.steps.reconciliation.reconciliation_report import method_of
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay, newest_version

# Shorter beginnings of ids are typing errors more often than they are meant.
_SHORTEST_ID: Final = 6


@dataclass(frozen=True, slots=True)
class BreakFilter:
    """Which breaks.

    Attributes:
        accounts: whose; all active ones when omitted.
        carrier: only this one's.
        first_date, last_date: of these business dates.
        classes: only of these classes.
        states: open, accepted, disputed, credited.
        older_than_days: only of calls at least so many days ago.
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
        found = ledger.reconciliations.breaks(
            [account.account_id for account in ledger.accounts.active(wanted.accounts)],
            first_date=wanted.first_date,
            last_date=min(wanted.last_date, newest) if wanted.older_than_days else wanted.last_date,
            carrier=wanted.carrier,
        )
    return [
        item
        for item in found
        if (not wanted.classes or item.match_class in wanted.classes)
        and (not wanted.states or item.state in wanted.states)
    ]


def decide_breaks(
    ids: Sequence[str], ctx: RunContext, *, decision: Decision, reason: str, decided_by: str
) -> list[Break]:
    """Records what somebody has decided about breaks: all of them or, when an id fits none or several, none.

    A decision is about exactly what was seen: another amount, class or partner is another break, and open again.

    Raises:
        BreakNotFound: an id fits no break of the newest versions, or more than one.
    """
    with ctx.ledger() as ledger:
        known = [account.account_id for account in ledger.accounts.all()]
        found: list[Break] = []
        for wanted in ids:
            fitting = (
                ledger.reconciliations.breaks(known, id_prefix=wanted, most=2) if len(wanted) >= _SHORTEST_ID else []
            )
            if len(fitting) != 1:
                raise BreakNotFound(
                    f"{len(fitting) or 'no'} break(s) have an id that begins with {wanted!r}; nothing was decided",
                    hint=f"'cdr-pipeline breaks list' shows ids; give at least {_SHORTEST_ID} characters",
                )
            found += fitting
        with ledger.connection.transaction():
            for item in found:
                ledger.reconciliations.record_decision(
                    account_id=item.account_id,
                    outcome_id=item.outcome_id,
                    decision=decision,
                    reason=reason,
                    decided_by=decided_by,
                    now=ctx.clock(),
                )
    return found


def export_breaks(business_date: date, account_id: str, carrier: str, folder: Path, ctx: RunContext) -> DisputePack:
    """The dispute pack of a carrier's day: a workbook and a CSV file of its breaks with both sides' values.

    Raises:
        AccountNotFound: no such account.
        BreakNotFound: the day was not reconciled with that carrier.
        ExportError: the files could not be written.
    """
    day = CarrierDay(account_id, carrier, business_date)
    with ctx.ledger() as ledger:
        (account,) = ledger.accounts.active([account_id])
        kept = newest_version(ledger.connection, day)
        if kept is None:
            raise BreakNotFound(
                "this day was not reconciled with that carrier",
                hint=f"'cdr-pipeline reconcile --date {business_date}' does it and names the carriers",
            )
        breaks = ledger.reconciliations.breaks(
            [account_id], first_date=business_date, last_date=business_date, carrier=carrier
        )
    profile = list_profiles(ctx.settings.profile_dir).get(kept.version.profile or "")
    rules = profile.reconcile if profile else CarrierRules()
    return write_pack(
        breaks,
        folder=folder,
        heading=[
            ("Carrier", carrier),
            ("Account", account_id),
            ("Business date", f"{business_date}, {account.time_zone}"),
            ("Version", f"{kept.number} of {kept.reconciled_at:%Y-%m-%d %H:%M} UTC"),
            ("Currency", kept.version.currency),
            ("Offset of the carrier's clock", f"{kept.version.offset_ms} ms, {kept.version.offset_status}"),
            *method_of(kept, rules),
        ],
        made_at=kept.reconciled_at,
    )
