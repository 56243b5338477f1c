"""Work that waits for a person, on the accounts that the person sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from cdr_pipeline.steps.days.calendar import MarkedDay
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
from cdr_pipeline.warehouse.ledger import OpenRejects

Kind = Literal["missing", "incomplete", "red", "late", "held", "unreadable", "refused_drop", "rejects"]
# Rejected lines wait for a correction for a week, as in ``find_problems``.
_REJECTS_WAIT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class WaitingWork:
    """One thing to do.

    Attributes:
        kind: what waits: a day that is missing, incomplete, red or late; a file that is held, unreadable or refused;
            rejected lines of a file or of the switch.
        account_id: account that owns it.
        business_date: day; None for a file and for rejected lines without a day.
        subject: id of the upload, or place of the dropped file; empty for a day.
        breaks: number of undecided breaks of a red day.
        count: number of rejected lines.
        since: since when it waits; None if only its day is known.
        code: error code of the cause, if any.
    """

    kind: Kind
    account_id: str
    business_date: date | None
    subject: str = ""
    breaks: int = 0
    count: int = 0
    since: datetime | None = None
    code: str | None = None


def waiting_work(
    accounts: Sequence[str], marked: Sequence[MarkedDay], ctx: RunContext, *, unowned: bool
) -> list[WaitingWork]:
    """Work on the accounts that waits for a person: files first, then days, the oldest first.

    Args:
        accounts: accounts that the person sees.
        marked: days of these accounts to look at, from ``calendar``.
        ctx: settings, warehouse, clock and progress callback.
        unowned: whether to include dropped files that belong to no registered account.
    """
    with ctx.ledger() as ledger:
        rejects = ledger.health.open_rejects(accounts, since=ctx.clock() - _REJECTS_WAIT)
        stuck = ledger.health.stuck_uploads(accounts)
        causes = {(day.account_id, day.business_date): day for day in ledger.health.failed_days(accounts)}
        drops = [
            drop
            for drop in waiting_drops(ledger, ctx, accounts)
            if drop.state == "refused" and (unowned or drop.account_id is not None)
        ]
    files = [
        WaitingWork(
            "held" if upload.state == "held" else "unreadable",
            upload.account_id,
            None,
            subject=upload.sha256,
            since=upload.since,
            code=upload.error_code,
        )
        for upload in stuck
    ]
    files += [
        WaitingWork("refused_drop", drop.account_id or "", None, subject=drop.place, since=drop.since, code=drop.code)
        for drop in drops
    ]
    files += _rejected(rejects)
    days: list[WaitingWork] = []
    for item in marked:
        kind = _kind(item)
        if kind is None:
            continue
        cause = causes.get((item.account_id, item.business_date))
        days.append(
            WaitingWork(
                kind,
                item.account_id,
                item.business_date,
                breaks=item.day.breaks if item.day else 0,
                since=cause.since if cause else None,
                code=cause.error_code if cause else None,
            )
        )
    days.sort(key=lambda work: (work.business_date or date.min, work.account_id))
    return [*files, *days]


def _rejected(rejects: Sequence[OpenRejects]) -> list[WaitingWork]:
    """Rejected lines by file, and those of the switch by day."""
    parts: dict[tuple[str, str, date | None], list[OpenRejects]] = {}
    for item in rejects:
        of_file = item.sha256 if item.origin == "imported" and item.sha256 else ""
        parts.setdefault((item.account_id, of_file, None if of_file else item.business_date), []).append(item)
    return [
        WaitingWork(
            "rejects",
            account_id,
            business_date,
            subject=sha256,
            count=sum(item.row_count for item in listed),
            since=min(item.since for item in listed),
        )
        for (account_id, sha256, business_date), listed in parts.items()
        if sha256 or business_date
    ]


def _kind(item: MarkedDay) -> Kind | None:
    if item.mark == "missing":
        return "missing"
    if item.mark == "incomplete" and item.day is not None and (item.day.failed_windows or item.day.volume):
        return "incomplete"
    if item.mark == "red":
        return "red"
    return "late" if item.mark == "late" else None
