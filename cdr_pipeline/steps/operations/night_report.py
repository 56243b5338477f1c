"""Data of the night report, read from the ledger and the warehouse: the same for UI, file and CLI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.steps.days.sealed_files import check_sealed_files
from cdr_pipeline.steps.operations.health import FORGOTTEN, SEALED_CODES, Problem, find_problems
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
from cdr_pipeline.warehouse.ledger import HourOfTraffic, NightAccount

_TREND_DAYS = 28


@dataclass(frozen=True, slots=True)
class OriginTotals:
    """Totals of one origin. Totals of different origins are not added, because both may contain the same call."""

    origin: str
    rows: int
    minutes: Decimal
    money: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class NightReport:
    """Result of a night.

    Attributes:
        business_date: business date of the night.
        written_at: time of the report, UTC.
        accounts: state of the day of each active account.
        counts: rows by class over the day's windows, from their last load.
        totals: rows, minutes and money by origin.
        traffic: rows by hour (UTC) and origin.
        trend: rows in the daily files of the last four weeks.
        broken: current problems, of this night and of others.
        refused_files: number of files in the drop folder that cannot be registered.
        rejected_rows: number of the day's rejected rows that are neither corrected nor dismissed.
        names: display names by account id.
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
    rejected_rows: int = 0
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Ids of accounts whose day is not completely collected."""
        return tuple(account.account_id for account in self.accounts if not account.whole)

    @property
    def without_file(self) -> tuple[str, ...]:
        """Ids of accounts without a daily file."""
        return tuple(account.account_id for account in self.accounts if account.path is None)

    @property
    def damaged(self) -> int:
        """Number of problems with sealed files, of any day."""
        return sum(item.code in SEALED_CODES for item in self.broken)

    @property
    def good(self) -> bool:
        """Whether the night is faultless and nothing of any other day needs action either."""
        return bool(self.accounts) and not (self._faults or self.broken)

    @property
    def _faults(self) -> list[str]:
        """What is wrong with this night, and with dropped and sealed files of any day."""
        total = len(self.accounts)
        thin = sum(account.volume in ("thin", "empty") for account in self.accounts)
        texts = {
            f"{len(self.incomplete)} of {total} accounts are not collected whole": len(self.incomplete),
            f"{len(self.without_file)} of {total} accounts have no file": len(self.without_file),
            f"{thin} of {total} accounts are suspiciously empty": thin,
            f"{count_of(self.refused_files, 'file')} refused in the drop folder": self.refused_files,
            f"{count_of(self.rejected_rows, 'row')} rejected and in no file": self.rejected_rows,
            "sealed files are missing or damaged": self.damaged,
        }
        return [text for text, number in texts.items() if number]

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if not self.accounts:
            return "There are no accounts yet: nothing was collected."
        whole = (
            "the account is collected whole and has its file"
            if len(self.accounts) == 1
            else f"all {len(self.accounts)} accounts are collected whole and have their files"
        )
        if self.good:
            return f"Good: {whole}."
        broken = f"{count_of(len(self.broken), 'problem needs', 'problems need')} action" if self.broken else ""
        if not self._faults:
            return f"Not good: {whole}, but {broken}."
        return "Not good: " + ", ".join([*self._faults, *filter(None, [broken])]) + "."


def night_report(business_date: date, ctx: RunContext, *, late_after: timedelta = FORGOTTEN) -> NightReport:
    """Reads the current result of the night of a business date. Checks sealed files first.

    Args:
        business_date: date of the night.
        ctx: settings, warehouse, clock and progress callback.
        late_after: time after which a sealed day with late records is a problem; see ``find_problems``.
    """
    check_sealed_files(ctx)
    broken = tuple(find_problems(ctx, late_after=late_after))
    with ctx.ledger() as ledger:
        active = ledger.accounts.active()
        account_ids = [account.account_id for account in active]
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
            sum(item.row_count for item in ledger.health.open_rejects(account_ids, business_date=business_date)),
            {account.account_id: account.name for account in active},
        )


def totals_of(traffic: list[HourOfTraffic]) -> tuple[OriginTotals, ...]:
    """Rows, billed minutes and money by origin and currency."""
    totals: list[OriginTotals] = []
    for origin in sorted({part.origin for part in traffic}):
        parts = [part for part in traffic if part.origin == origin]
        money: dict[str, Decimal] = {}
        for part in parts:
            if part.cost:
                currency = part.cost_currency or "no currency"
                money[currency] = money.get(currency, Decimal(0)) + part.cost
        seconds = sum((part.billing_seconds for part in parts), Decimal(0))
        totals.append(OriginTotals(origin, sum(part.row_count for part in parts), round(seconds / 60, 1), money))
    return tuple(totals)


def rows_by_hour(traffic: list[HourOfTraffic]) -> dict[str, tuple[int, ...]]:
    """By origin, 24 numbers of rows that started in each hour, UTC."""
    counts = {origin: [0] * 24 for origin in sorted({part.origin for part in traffic})}
    for part in traffic:
        counts[part.origin][part.hour] += part.row_count
    return {origin: tuple(hours) for origin, hours in counts.items()}


def last_night(ctx: RunContext) -> date:
    """Yesterday in the time zone of the settings."""
    return ctx.clock().astimezone(ZoneInfo(ctx.settings.time_zone)).date() - timedelta(days=1)
