"""One page that says whether a night was good: read off the ledger and the warehouse, the same for UI, file and CLI."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.steps.days.sealed_files import check_sealed_files
from cdr_pipeline.steps.operations.health import SEALED_CODES, Problem, find_problems
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
from cdr_pipeline.warehouse.ledger import HourOfTraffic, NightAccount

_TREND_DAYS = 28


@dataclass(frozen=True, slots=True)
class OriginTotals:
    """A day's records of one origin. Origins are never added up: the same call may stand in both."""

    origin: str
    rows: int
    minutes: Decimal
    money: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class NightReport:
    """How a night went.

    Attributes:
        business_date: which night.
        written_at: when this was read.
        accounts: how each active account's day stands.
        counts: rows by class of the day's windows, as of their last load.
        totals: rows, minutes and money by origin.
        traffic: rows by hour (UTC) and origin.
        trend: rows in the files of the last four weeks.
        broken: what is broken now, this night's troubles and others'.
        refused_files: files in the drop folder that no run takes in as they are.
    """

    business_date: date
    written_at: datetime
    accounts: tuple[NightAccount, ...]
    counts: BatchCounts
    totals: tuple[OriginTotals, ...]
    traffic: dict[str, tuple[int, ...]]
    trend: dict[date, int]
    broken: tuple[Problem, ...]
    refused_files: int = 0

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Accounts whose day has not been collected whole."""
        return tuple(account.account_id for account in self.accounts if not account.whole)

    @property
    def without_file(self) -> tuple[str, ...]:
        """Accounts that have no daily file."""
        return tuple(account.account_id for account in self.accounts if account.path is None)

    @property
    def damaged(self) -> int:
        """Kinds of damage to sealed files, of this night's day or another."""
        return sum(item.code in SEALED_CODES for item in self.broken)

    @property
    def good(self) -> bool:
        """Whether every account's day is whole, unsuspicious and has its file, and no dropped file was refused."""
        thin = any(account.volume in ("thin", "empty") for account in self.accounts)
        return bool(self.accounts) and not (
            self.incomplete or self.without_file or thin or self.refused_files or self.damaged
        )

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.accounts:
            return "There are no accounts yet: nothing was collected."
        if self.good:
            return f"Good: all {len(self.accounts)} accounts are collected whole and have their files."
        parts = [
            f"{len(self.incomplete)} of {len(self.accounts)} accounts are not collected whole",
            f"{len(self.without_file)} have no file",
        ]
        thin = sum(account.volume in ("thin", "empty") for account in self.accounts)
        parts.append(f"{thin} are suspiciously empty")
        if self.refused_files:
            parts.append(f"{self.refused_files} file(s) in the drop folder are refused")
        if self.damaged:
            parts.append("sealed files are missing or damaged")
        return "Not good: " + ", ".join(parts) + "."


def night_report(business_date: date, ctx: RunContext) -> NightReport:
    """Reads how the night of a business date went, as of now."""
    check_sealed_files(ctx)
    broken = tuple(find_problems(ctx))
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active()]
        traffic = ledger.health.day_traffic(account_ids, [business_date])
        return NightReport(
            business_date,
            ctx.clock(),
            tuple(ledger.health.night_accounts(account_ids, business_date)),
            ledger.health.counts_of_day(account_ids, business_date),
            totals_of(traffic),
            rows_by_hour(traffic),
            ledger.health.file_trend(account_ids, business_date - timedelta(days=_TREND_DAYS - 1), business_date),
            broken,
            sum(drop.state == "refused" for drop in waiting_drops(ledger, ctx, account_ids)),
        )


def totals_of(traffic: list[HourOfTraffic]) -> tuple[OriginTotals, ...]:
    """Rows, billed minutes and money by origin and currency."""
    found: list[OriginTotals] = []
    for origin in sorted({part.origin for part in traffic}):
        parts = [part for part in traffic if part.origin == origin]
        money: dict[str, Decimal] = {}
        for part in parts:
            if part.cost:
                currency = part.cost_currency or "no currency"
                money[currency] = money.get(currency, Decimal(0)) + part.cost
        seconds = sum((part.billing_seconds for part in parts), Decimal(0))
        found.append(OriginTotals(origin, sum(part.row_count for part in parts), round(seconds / 60, 1), money))
    return tuple(found)


def rows_by_hour(traffic: list[HourOfTraffic]) -> dict[str, tuple[int, ...]]:
    """24 numbers by origin: rows that began in each hour, UTC."""
    found = {origin: [0] * 24 for origin in sorted({part.origin for part in traffic})}
    for part in traffic:
        found[part.origin][part.hour] += part.row_count
    return {origin: tuple(hours) for origin, hours in found.items()}


def last_night(ctx: RunContext) -> date:
    """Yesterday, in the operator's zone."""
    return ctx.clock().astimezone(ZoneInfo(ctx.settings.time_zone)).date() - timedelta(days=1)
