"""Controls of a day's sources: traffic and values of the switch and every carrier, and gaps in every file series."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, TypeVar

from cdr_pipeline.core.reconcile.result.controls import (
    NO_CALLS,
    DayControl,
    SourceDay,
    judge_prices,
    judge_series,
    judge_traffic,
    judge_values,
)
from cdr_pipeline.core.records.volume import compared_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.upload_series import upload_series
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.reconciliation.reconciliations import SourceHour, UnpricedCharges

# Accounts of one statement.
_TOGETHER: Final = 200
_OfAccount = TypeVar("_OfAccount", SourceHour, UnpricedCharges)
# Kinds of implausible values.
_ABSURD: Final = ("in_future", "longer_than_a_day", "billed_beyond_length", "dear")


def control_day(business_date: date, ctx: RunContext, accounts: Sequence[str] | None = None) -> list[DayControl]:
    """All controls of a day, by account and source.

    Raises:
        AccountNotFound: a requested account is not registered.
    """
    results: list[DayControl] = []
    with ctx.ledger() as ledger:
        ids = [account.account_id for account in ledger.accounts.active(accounts)]
        for first in range(0, len(ids), _TOGETHER):
            results += _control_accounts(ids[first : first + _TOGETHER], business_date, ledger, now=ctx.clock())
    # A series whose profile is not valid has no result; the profile is reported as a problem of its own.
    for series in (item for item in upload_series(ctx, accounts) if not item.fault):
        results.append(judge_series(series.account_id, series.profile, series.missing_days, series.missing_numbers))
    return results


def _control_accounts(
    account_ids: Sequence[str], business_date: date, ledger: Ledger, *, now: datetime
) -> list[DayControl]:
    """Traffic, values and prices of some accounts, in the order of the accounts."""
    table, earlier = ledger.reconciliations, compared_days(business_date)
    hours = _by_account(table.source_hours(account_ids, [business_date, *earlier], now=now))
    charges = _by_account(table.unpriced_charges(account_ids, business_date))
    results: list[DayControl] = []
    for account_id in account_ids:
        days = _by_day(hours[account_id])
        for source in sorted({source for source, _ in days}):
            before = [days[source, day] for day in earlier if (source, day) in days]
            today = days.get((source, business_date), NO_CALLS)
            results += judge_traffic(account_id, source, today, before)
        for source, absurd in _absurd_values(hours[account_id], business_date).items():
            results.append(judge_values(account_id, source, absurd))
        results += _prices(account_id, charges[account_id])
    return results


def _by_account(items: Iterable[_OfAccount]) -> Mapping[str, list[_OfAccount]]:
    grouped: dict[str, list[_OfAccount]] = defaultdict(list)
    for item in items:
        grouped[item.account_id].append(item)
    return grouped


def _prices(account_id: str, charges: Iterable[UnpricedCharges]) -> list[DayControl]:
    by_carrier: dict[str, list[tuple[str, int, Decimal]]] = defaultdict(list)
    for item in charges:
        by_carrier[item.carrier].append((item.destination, item.call_count, item.amount))
    return [judge_prices(account_id, carrier, unpriced) for carrier, unpriced in by_carrier.items()]


def _absurd_values(hours: Iterable[SourceHour], business_date: date) -> dict[str, dict[str, int]]:
    """Numbers of records of a day with implausible values, by source and kind."""
    values: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_ABSURD, 0))
    for hour in hours:
        if hour.business_date == business_date:
            for kind in _ABSURD:
                values[hour.source][kind] += getattr(hour, kind)
    return dict(sorted(values.items()))


def _by_day(hours: Iterable[SourceHour]) -> dict[tuple[str, date], SourceDay]:
    grouped: dict[tuple[str, date], list[SourceHour]] = defaultdict(list)
    for hour in hours:
        grouped[hour.source, hour.business_date].append(hour)
    return {
        key: SourceDay(
            sum(item.row_count for item in items),
            sum((item.minutes for item in items), Decimal(0)),
            {item.hour: item.row_count for item in items},
        )
        for key, items in grouped.items()
    }
