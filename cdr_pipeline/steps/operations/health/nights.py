"""Problems of nights: not run, not whole, failed for accounts, run too early, with unusual volumes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cdr_pipeline.core.charts.composed_text import ComposedText
from cdr_pipeline.errors import (
    CallTooLong,
    DayNotEnded,
    DialectChanged,
    TransientUpstreamError,
    UpstreamAccountNotFound,
    UpstreamAuthError,
    WindowOutdated,
    WindowTooHeavy,
)
from cdr_pipeline.steps.operations.due_nights import DueNight, UnfinishedDay
from cdr_pipeline.steps.operations.health.problem import (
    A_WEEK,
    NAMED,
    Problem,
    Subject,
    last_look,
    some,
    titled,
)
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger

# By error code of a failed window: text of the problem, and settings to put before the command.
_NOT_ASKED = ("the switch could not be asked for", "")
_WORDS_OF_CODES = {
    WindowOutdated.code: ("the switch was upgraded and windows over the month's end must be read again for", ""),
    DialectChanged.code: ("CDR_API_DIALECT is not what the switch speaks for", "CDR_API_DIALECT=auto "),
    WindowTooHeavy.code: ("the switch did not answer for all of the window that is needed for", ""),
    CallTooLong.code: (
        "calls over the month's end are longer than CDR_COLLECT_LONGEST_CALL_HOURS for",
        "CDR_COLLECT_LONGEST_CALL_HOURS=72 ",
    ),
}


def night_problems(
    nights: list[DueNight], failed: set[tuple[str, date]], names: Mapping[str, str], ctx: RunContext
) -> Iterator[Problem]:
    """Nights that were missed, or that did not collect every account whole."""
    settings = ctx.settings
    for night in nights:
        # A day that could not be collected is a problem of its own.
        if all((item, night.business_date) in failed for item in night.accounts):
            continue
        began = datetime.combine(
            night.business_date + timedelta(days=1),
            time.fromisoformat(settings.nightly_at),
            tzinfo=ZoneInfo(settings.time_zone),
        )
        text = (
            ComposedText("night of {day}: no account has been collected whole", day=night.business_date)
            if night.everybody
            else ComposedText(
                "night of {day}: not {accounts} has been collected whole",
                day=night.business_date,
                accounts=some([titled(item, names) for item in night.accounts]),
            )
        )
        yield Problem(
            text,
            "night_missing" if night.everybody else "night_incomplete",
            began.astimezone(ctx.clock().tzinfo),
            f"cdr-pipeline nightly --date {night.business_date}",
            str(night.business_date),
            subject=Subject("night", business_date=night.business_date),
        )


def unfinished_problems(days: list[UnfinishedDay], names: Mapping[str, str], ctx: RunContext) -> Iterator[Problem]:
    """Days that were collected before they ended. ``missed_nights`` collects the rest of them."""
    for day in days:
        only = "".join(f" --account {item}" for item in day.accounts) if len(day.accounts) <= NAMED else ""
        yield Problem(
            ComposedText(
                "{day} has not ended for {accounts}: what is collected is incomplete; run the night again after {ends}"
                " UTC",
                day=day.business_date,
                accounts=some([titled(item, names) for item in day.accounts]),
                ends=f"{day.ends_at:%Y-%m-%d %H:%M}",
            ),
            DayNotEnded.code,
            ctx.clock(),
            f"cdr-pipeline nightly --date {day.business_date}{only}",
            str(day.business_date),
            subject=Subject("night", business_date=day.business_date),
        )


def collection_problems(ledger: Ledger, active: Sequence[Account]) -> Iterator[Problem]:
    """Days that could not be collected: one problem for all accounts that failed for the same cause."""
    names = {account.account_id: account.name for account in active}
    roots = [account.account_id for account in active if account.parent_id is None]
    by_day: dict[tuple[date, str, str], list[tuple[str, datetime]]] = {}
    for day in ledger.health.failed_days(list(names)):
        # A message that names its account is the same cause for each account.
        cause = (day.cause or "").removeprefix(f"account {day.account_id}: ")
        key = (day.business_date, day.error_code or "upstream", cause)
        by_day.setdefault(key, []).append((day.account_id, day.since))
    for (business_date, code, cause), parts in by_day.items():
        accounts = [account_id for account_id, _ in parts]
        text, before = _WORDS_OF_CODES.get(code, _NOT_ASKED)
        only = "".join(f" --account {account_id}" for account_id in accounts) if len(accounts) <= NAMED else ""
        titles = some([titled(item, names) for item in accounts])
        first, command = _first_step(code, accounts, len(names), roots)
        yield Problem(
            ComposedText(
                "{day}: {cause}{text} {accounts}{first}",
                day=business_date,
                cause=_grouped(len(accounts), cause),
                text=ComposedText(text),
                accounts=titles,
                first=first,
            ),
            code,
            min(since for _, since in parts),
            f"{command}{before}cdr-pipeline nightly --date {business_date}{only}",
            f"{business_date} {cause}",
            subject=Subject("night", accounts[0] if len(accounts) == 1 else "", business_date),
        )


def _first_step(code: str, accounts: list[str], registered: int, roots: list[str]) -> tuple[ComposedText, str]:
    """What to do before the night is run again, and the command that tries it first."""
    everybody = len(accounts) == registered
    stop = f"'cdr-pipeline accounts add {accounts[0]} --inactive'"
    match code:
        case UpstreamAuthError.code if everybody:
            # A token does not show its account, so the root of the tree is named.
            tried = f"cdr-pipeline accounts sync --root {roots[0]} && " if len(roots) == 1 else ""
            return ComposedText(
                "; first correct CDR_API_KEY, CDR_API_USER or CDR_API_TOKEN, and restart 'cdr-pipeline up' if it runs"
            ), tried
        case UpstreamAuthError.code:
            return _no_access(stop), ""
        case UpstreamAccountNotFound.code if everybody:
            return ComposedText("; first correct CDR_API_URL or the ids of the accounts"), ""
        case UpstreamAccountNotFound.code:
            return ComposedText("; if it no longer exists there, stop collecting it: {command}", command=stop), ""
        case TransientUpstreamError.code if everybody:
            return ComposedText("; first start the switch, or correct CDR_API_URL"), ""
        case _:
            return ComposedText(""), ""


def _no_access(stop: str) -> ComposedText:
    text = "; first let the switch's operator give these credentials access to it, or stop collecting it: {command}"
    return ComposedText(text, command=stop)


def _grouped(accounts: int, cause: str) -> ComposedText:
    """Number of accounts and what they have in common, such as ``12 accounts: connection refused by host; ``."""
    if not cause:
        return ComposedText("")
    return ComposedText(
        "{count} account: {cause}; " if accounts == 1 else "{count} accounts: {cause}; ", count=accounts, cause=cause
    )


def volume_problems(ledger: Ledger, names: Mapping[str, str], now: datetime) -> Iterator[Problem]:
    """Days with far fewer or more rows than usual."""
    for day in ledger.health.suspicious_days(list(names), first_date=(now - A_WEEK).date()):
        yield Problem(
            ComposedText(
                "{day}: account {account} is {volume}; {usual} rows are usual",
                day=day.business_date,
                volume=ComposedText(day.volume),
                account=titled(day.account_id, names),
                usual=day.usual_rows,
            ),
            "volume_unusual",
            day.since,
            f"cdr-pipeline nightly --date {day.business_date} --account {day.account_id}",
            f"{day.business_date} {day.account_id}",
            last_look(day.business_date),
            Subject("day", day.account_id, day.business_date),
        )
