"""The first page: one verdict, what waits for a person, and the last nights."""

from datetime import date, timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, visible_accounts
from cdr_pipeline.console.tables import TableExport, wanted_table
from cdr_pipeline.steps.accounts.users import Permission
from cdr_pipeline.steps.days.calendar import MarkedDay, calendar, night_summaries
from cdr_pipeline.steps.days.second_person import waiting_requests
from cdr_pipeline.steps.operations.health import Problem, find_problems
from cdr_pipeline.steps.operations.waiting_work import WaitingWork, waiting_work
from cdr_pipeline.steps.run_context import RunContext

router = APIRouter()
_NIGHTS: Final = 14
# Older days are found in the calendar.
_LOOKED_BACK: Final = timedelta(days=35)
# More rows than this do not fit a page that is read in a minute; the calendar and the lists have all of them.
_SHOWN: Final = 50
# Kinds of problems that the list of work shows one by one.
_WORK: Final = ("upload", "rejects", "drop", "late_days", "breaks")

_WAITING_WORK: Final = TableExport[WaitingWork](
    "what_waits",
    {
        "what": lambda item: item.kind,
        "account": lambda item: item.account_id,
        "business_date": lambda item: item.business_date,
        "subject": lambda item: item.subject,
        "undecided_breaks": lambda item: item.breaks,
        "rejected_lines": lambda item: item.count,
        "since_utc": lambda item: item.since,
        "error": lambda item: item.code,
    },
)
_PROBLEMS: Final = TableExport[Problem](
    "problems",
    {
        "problem": lambda item: str(item.what),
        "code": lambda item: item.code,
        "since_utc": lambda item: item.since,
        "command": lambda item: item.command,
    },
)


@router.get("/")
def today(request: Request, user: CurrentUser) -> Response:
    """Verdict, work and nights of the accounts that the user sees."""
    ctx = service_of(request).ctx
    accounts = visible_accounts(user)
    last = ctx.clock().date()
    ids = list(accounts)
    marked = calendar(ids, last - _LOOKED_BACK, last + timedelta(days=1), ctx, only_action=True)
    work = waiting_work(ids, marked, ctx, unowned=user.everything)
    waiting = waiting_requests(None if user.everything else user.accounts, ctx) if user.may(Permission.OVERRIDE) else []
    problems = (
        _not_listed(find_problems(ctx), last - _LOOKED_BACK) if user.everything and user.role == "operator" else []
    )
    table = wanted_table(request)
    if table == "work":
        return _WAITING_WORK.file(request, user, work)
    if table == "problems":
        return _PROBLEMS.file(request, user, problems)
    return page(
        request,
        "today.html",
        accounts=accounts,
        work=work[:_SHOWN],
        more=max(0, len(work) - _SHOWN),
        count=len(work) + len(waiting),
        waiting=waiting,
        nights=_nights(ids, marked, last, ctx),
        problems=problems,
    )


def _not_listed(problems: list[Problem], first: date) -> list[Problem]:
    """Problems that the list of work, which has days from ``first`` on, does not show one by one."""
    return [
        item
        for item in problems
        if item.subject.kind not in _WORK
        or (item.subject.kind == "drop" and item.subject.name != "refused")
        or (item.subject.business_date is not None and item.subject.business_date < first)
    ]


def _nights(accounts: list[str], marked: list[MarkedDay], last: date, ctx: RunContext) -> list[tuple[date, int, int]]:
    """Each of the last days with its accounts, and how many of them need action."""
    dates = [last - timedelta(days=number) for number in range(_NIGHTS, 0, -1)]
    found = {item.business_date: item for item in night_summaries(accounts, dates[0], dates[-1], marked, ctx)}
    return [(day, found[day].total, found[day].action) if day in found else (day, 0, 0) for day in dates]
