"""One call: the days and files that contain its records, what delivered them, and its breaks with their decisions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.day_states import RecordSource
from cdr_pipeline.warehouse.ledger import RecordLocation

# The records of a call in both origins are of the same day or of neighboring ones.
_NEAR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CallHistory:
    """Where the records of a call came from and went to.

    Attributes:
        places: days and daily files.
        sources: loads, with file and line of imported records.
        breaks: breaks of the newest reconciliations, decided or not.
    """

    places: Sequence[RecordLocation] = ()
    sources: Sequence[RecordSource] = ()
    breaks: Sequence[Break] = ()


def call_history(account_id: str, record_id: str, related: Collection[str], ctx: RunContext) -> CallHistory:
    """The history of a record and of those linked to it.

    Args:
        account_id: account that owns the records.
        record_id: id of a record, as the page's address has it.
        related: ids of the record and of those linked to it.
        ctx: settings and warehouse.
    """
    with ctx.ledger() as ledger:
        places = list(ledger.day_states.record_locations([account_id], record_id))
        if not places:
            return CallHistory()
        ids = sorted({record_id, *related, *(place.record_id for place in places)})
        days = [place.business_date for place in places]
        first, last = min(days) - _NEAR, max(days) + _NEAR
        sources = ledger.day_states.record_sources(account_id, ids, first, last)
        listed = ledger.reconciliations.breaks([account_id], first_date=first, last_date=last)
    # A break has the id of an imported record as its carrier wrote it, without the profile in front.
    known = {*ids, *(item.rpartition(":")[2] for item in ids)}
    breaks = [item for item in listed if item.switch_record_id in known or item.carrier_record_id in known]
    return CallHistory(places, sources, breaks)


def full_record_id(account_id: str, record_id: str, ctx: RunContext) -> str | None:
    """Id, with its source, of a record whose id is given without it; None if no record has it."""
    with ctx.ledger() as ledger:
        found = ledger.day_states.record_locations([account_id], record_id)
    return found[0].record_id if found else None
