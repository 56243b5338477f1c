"""Which days are collected completely: their loaded windows cover the day, and their volume is judged."""

from collections.abc import Sequence
from datetime import date, datetime

from cdr_pipeline.core.records.volume import Volume, compared_days, judge_volume
from cdr_pipeline.core.time.coverage import covered_through, not_covered
from cdr_pipeline.sources.upstream_registry import upstream_of
from cdr_pipeline.steps.collect.switch_dialects import known_dialect
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, CompleteDay, DayWindow, Ledger


def note_completeness(
    days: Sequence[tuple[Account, date]], ledger: Ledger, ctx: RunContext
) -> dict[tuple[str, date], Volume]:
    """Records which days are covered by loaded windows without a gap, with the volume of each.

    A month's end counts as covered only when a loaded window crosses it as far as planned. Without a stored dialect,
    as after a reset, the plan is that of the dialect in which the windows were read. A window that failed since then
    leaves the day incomplete.

    Args:
        days: accounts and business dates.
        ledger: ledger of the warehouse.
        ctx: settings, warehouse, clock and progress callback.

    Returns:
        Volumes of the complete days, by account id and date.
    """
    account_ids = sorted({account.account_id for account, _ in days})
    dates = sorted({day for _, day in days})
    # Time zones are read before the windows: a window that a change of the zone makes necessary is then missing.
    accounts = {account.account_id: account for account in ledger.accounts.find_accounts(account_ids)}
    windows = ledger.windows.of_days(account_ids, dates)
    complete: dict[tuple[str, date], datetime] = {}
    for known, day in days:
        account = accounts.get(known.account_id, known)
        through = _complete_through(account, day, windows.get((account.account_id, day), []), ctx)
        if through is not None:
            complete[account.account_id, day] = through
    if not complete:
        return {}
    compared = {day: compared_days(day) for _, day in complete}
    ids = sorted({account_id for account_id, _ in complete})
    earlier = ledger.days.volumes(ids, sorted({other for others in compared.values() for other in others}))
    rows = ledger.days.count_records(ids, sorted(compared))
    volumes = {
        (account_id, day): judge_volume(
            rows.get((account_id, day), 0),
            [earlier[account_id, other] for other in compared[day] if (account_id, other) in earlier],
        )
        for account_id, day in complete
    }
    ledger.days.record_collected(
        [CompleteDay(*place, through, volumes[place]) for place, through in sorted(complete.items())], now=ctx.clock()
    )
    return volumes


def _complete_through(
    account: Account, business_date: date, windows: Sequence[DayWindow], ctx: RunContext
) -> datetime | None:
    """Instant up to which loaded windows cover a day without a gap; None if it is incomplete."""
    first, end = account.zones.bounds(business_date)
    loaded = [(window.starts_at, window.ends_at) for window in windows if window.state == "loaded"]
    through = covered_through(first, loaded)
    if through < end or any(window.state == "failed" for window in windows):
        return None
    dialect = known_dialect(account, ctx)
    read_in = {window.dialect for window in windows if window.dialect} if dialect is None else {dialect}
    upstream = upstream_of(ctx.settings)
    missing = any(
        not_covered(upstream.needed_spans(first, end, name), loaded) for name in read_in if name in upstream.dialects
    )
    return None if missing else through
