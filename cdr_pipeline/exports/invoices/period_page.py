"""Page of a carrier's billing period: one self-contained HTML file. The same input gives the same bytes."""

import hashlib
from base64 import b64encode
from calendar import monthrange
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from cdr_pipeline.core.reconcile.invoices.compared_rows import ComparedRow
from cdr_pipeline.core.reconcile.invoices.comparison import InvoiceComparison
from cdr_pipeline.core.reconcile.invoices.currency_comparison import CurrencyComparison
from cdr_pipeline.core.reconcile.result.breaks import Break
from cdr_pipeline.exports.reconciliation_words import amount, cause_words, class_name, minutes, number, seconds

_WIDTH: Final = 560
_HEIGHT: Final = 110
_BAR: Final = 26
_CALLS_PER_DESTINATION: Final = 20
_DETAILS: Final = 60


@dataclass(frozen=True, slots=True)
class MonthOfCarrier:
    """A month of a carrier in one currency; None where nothing was reconciled or invoiced."""

    month: date
    currency: str
    charged: Decimal | None
    at_risk: Decimal | None
    invoiced: Decimal | None


@dataclass(frozen=True, slots=True)
class PeriodPage:
    """Content of the page.

    Attributes:
        account_name: name of the account, or how many accounts are compared.
        first_date, last_date: period in ``time_zone``, both days included.
        comparison: amounts by currency and destination.
        breaks: breaks of the period, the largest amount at risk first.
        months: six months up to the period, by currency.
        missing_days: days of the period that were not reconciled.
        red_days: days of the period that are red or provisional.
    """

    carrier: str
    account_name: str
    first_date: date
    last_date: date
    time_zone: str
    comparison: InvoiceComparison
    breaks: Sequence[Break]
    months: Sequence[MonthOfCarrier]
    missing_days: Sequence[date]
    red_days: Sequence[date]

    @property
    def name(self) -> str:
        """The period in words: a month, or its days."""
        first, last = self.first_date, self.last_date
        end_of_month = first.replace(day=monthrange(first.year, first.month)[1])
        return f"{first:%B %Y}" if first.day == 1 and last == end_of_month else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class _TrendBar:
    x: int
    y: int
    height: int
    kind: str
    month: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class _Trend:
    """Columns of months in one currency, and the numbers behind them."""

    currency: str
    largest: Decimal
    bars: list[_TrendBar]
    months: list[MonthOfCarrier]
    labels: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class _Destination:
    row: ComparedRow
    calls: list[Break]
    more_calls: int


def render_period(page: PeriodPage) -> bytes:
    """The page as UTF-8. Every value is escaped; the page loads nothing and contains no scripts."""
    style = "\n".join(
        [_text("cdr_pipeline.exports", "reconciliation_report.css"), _text(__package__ or "", "period_page.css")]
    )
    currencies = page.comparison.currencies
    return (
        _template()
        .render(
            page=page,
            first=currencies[0] if currencies else None,
            style=Markup(style),  # noqa: S704 - our own files
            style_hash=b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            steps={item.currency: _steps(item) for item in currencies},
            destinations={item.currency: _destinations(item, page.breaks) for item in currencies},
            details_shown=_DETAILS,
            margins={item.currency: [row for row in item.rows if row.margin is not None] for item in currencies},
            trends=_trends(page.months),
            zone=ZoneInfo(page.time_zone),
            width=_WIDTH,
            height=_HEIGHT,
        )
        .encode()
    )


def _steps(item: CurrencyComparison) -> list[tuple[str, str, Decimal]]:
    """From what is claimed to what is payable: words, what they mean, amount; the amounts after the first add up."""
    parts = item.claimed
    lines = [
        ("Payable", "agreed, accepted and other charges that are invoiced", item.payable),
        ("Disputed", "charged too much, and disputed", parts.disputed),
        ("Credit notes", "charged too much, and credited by a note", item.credit_notes),
        ("Credit due", "charged too much, and to be credited", item.credit_due),
        ("To decide", "charged too much, without a decision", parts.undecided),
        ("Unpriced", "no agreed price: not verified", parts.unpriced),
        ("Not compared", "not covered by the switch's records", parts.not_compared),
        ("Beyond the records", "invoiced beyond what the carrier's records say", item.invoiced_too_much),
    ]
    return [line for line in lines if line[2] or line[0] == "Payable"]


def _destinations(item: CurrencyComparison, breaks: Sequence[Break]) -> list[_Destination]:
    calls: dict[str, list[Break]] = defaultdict(list)
    for call in breaks:
        if call.exposure_currency == item.currency or call.carrier_record_id is None:
            calls[call.destination].append(call)
    listed: list[_Destination] = []
    for row in item.rows:
        of_row = calls[row.name] if len(item.rows) > 1 else list(breaks)
        listed.append(_Destination(row, of_row[:_CALLS_PER_DESTINATION], max(len(of_row) - _CALLS_PER_DESTINATION, 0)))
    return listed


def _trends(months: Sequence[MonthOfCarrier]) -> list[_Trend]:
    by_unit: dict[str, list[MonthOfCarrier]] = defaultdict(list)
    for month in months:
        by_unit[month.currency].append(month)
    trends: list[_Trend] = []
    for unit, of_unit in by_unit.items():
        values = [value for month in of_unit for value in (month.charged, month.at_risk, month.invoiced) if value]
        largest = max(values, default=Decimal(0))
        step = _WIDTH // len(of_unit)
        bars: list[_TrendBar] = []
        for place, month in enumerate(of_unit):
            kinds = (("fill", month.charged), ("idle", month.invoiced), ("alarm", month.at_risk))
            for nth, (kind, value) in enumerate(kinds):
                if value and value > 0 and largest > 0:
                    height = max(round(value / largest * _HEIGHT), 2)
                    x = place * step + nth * (_BAR + 2)
                    bars.append(_TrendBar(x, _HEIGHT - height, height, kind, f"{month.month:%Y-%m}", value))
        labels = [(place * step, f"{month.month:%Y-%m}") for place, month in enumerate(of_unit)]
        trends.append(_Trend(unit, largest, bars, of_unit, labels))
    return trends


def _text(package: str, name: str) -> str:
    return (resources.files(package) / name).read_text("utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "number": number, "amount": amount, "minutes": minutes, "seconds": seconds, "class_name": class_name,
        "cause": cause_words,
    }  # fmt: skip
    return environment.from_string(_text(__package__ or "", "period_page.html"))
