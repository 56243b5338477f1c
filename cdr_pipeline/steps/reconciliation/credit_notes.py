"""Carriers' credit notes, which close disputed breaks."""

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from cdr_pipeline.errors import InvalidDecision
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.decisions import DecidedBreaks, Intent, decide, require_person
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.reconciliation.decisions import CreditNote

if TYPE_CHECKING:
    from cdr_pipeline.core.reconcile.result.breaks import Break

_LONGEST_NUMBER: Final = 100


def record_credit_note(
    note: CreditNote, wanted: BreakFilter, ctx: RunContext, *, recorded_by: str, partial: bool = False
) -> tuple[CreditNote, DecidedBreaks]:
    """Records a carrier's credit note and closes the disputed breaks that it covers, oldest first.

    Args:
        note: account, carrier, number, amount and currency of the note.
        wanted: which disputed breaks the note is for; account, carrier, currency and state are those of the note.
        ctx: settings, warehouse, clock and progress callback.
        recorded_by: person responsible.
        partial: whether the amount may differ from the disputed sum; breaks that it does not cover whole stay disputed.

    Returns:
        The note with the amount used, and the breaks that are credited now.

    Raises:
        AccountNotFound: the account is not registered.
        InvalidDecision: the number is too long or on record, or the amount differs from the sum of the disputed breaks.
        DecisionConflict: another person decided one of the breaks meanwhile.
    """
    require_person(note.credit_note, recorded_by)
    if len(note.credit_note) > _LONGEST_NUMBER:
        raise InvalidDecision(f"the number of a credit note has at most {_LONGEST_NUMBER} characters")
    disputed = sorted(
        (item for item in list_breaks(wanted, ctx) if item.exposure > 0),
        key=lambda item: (item.business_date, item.call_started_at, item.outcome_id),
    )
    total = sum((item.exposure for item in disputed), Decimal(0))
    if note.amount != total and not partial:
        raise InvalidDecision(
            f"the credit note is of {_plain(note.amount)} {note.currency}, {count_of(len(disputed), 'disputed break')}"
            f" of {_plain(total)} {note.currency}; nothing was recorded",
            hint="choose other days with --from and --to, or close what it covers, oldest first, with --partial",
        )
    covered: list[Break] = []
    left = note.amount
    for item in disputed:
        if item.exposure <= left:
            covered.append(item)
            left -= item.exposure
    if not covered:
        raise InvalidDecision(
            f"no disputed break is covered by {_plain(note.amount)} {note.currency}; nothing was recorded",
            hint="'cdr-pipeline breaks list --state disputed' shows them",
        )
    used = CreditNote(note.account_id, note.carrier, note.credit_note, note.amount, note.currency, note.amount - left)
    reason = f"credit note {note.credit_note}"
    decisions = [Intent(item, item.decision_no, "credited", reason) for item in covered]
    with ctx.ledger() as ledger:
        return used, decide(decisions, ledger, ctx, decided_by=recorded_by, credit_note=used)


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
