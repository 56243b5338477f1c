"""Report page of a carrier's day: one self-contained HTML file. The same input gives the same bytes."""

import hashlib
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from cdr_pipeline.core.charts.day_bars import Bars, bars_of
from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.result.breaks import Break, CauseSum, OpenBreaks, TrendDay
from cdr_pipeline.core.reconcile.result.decisions import DecisionSum
from cdr_pipeline.core.reconcile.result.verdict import VerdictTotals
from cdr_pipeline.exports.reconciliation_words import (
    amount,
    cause_words,
    class_meaning,
    class_name,
    minutes,
    number,
    seconds,
    span_words,
)

_PARTS: Final = (
    ("Unpriced, not verified", {MatchClass.UNPRICED.value}),
    ("Credited", {MatchClass.CREDITED.value}),
    ("Other charges", {MatchClass.OTHER_CHARGE.value}),
    ("Not compared", {MatchClass.OUT_OF_INTERVAL.value, MatchClass.UNBILLABLE.value}),
    ("Rejected lines", {MatchClass.REJECTED.value}),
)
# Maximum number of causes on a page; a carrier without a pattern has one for almost every call.
_MOST_CAUSES: Final = 25
_STATES: Final = ("open", "accepted", "disputed", "credited")
_LIGHTS: Final = {
    "red": "Red: above what is tolerated",
    "green": "Green: within what is tolerated",
    "settled": "Settled: every break is decided",
}
_AGES: Final = ((1, "up to 1 day"), (7, "2 to 7 days"), (28, "8 to 28 days"), (None, "older"))


@dataclass(frozen=True, slots=True)
class ClassTotal:
    """Totals of one class, destination and currency ("" for the day's), with seconds and money of both sides."""

    destination: str
    match_class: str
    is_break: bool
    switch_rows: int
    carrier_rows: int
    switch_seconds: Decimal
    carrier_seconds: Decimal
    switch_amount: Decimal
    carrier_amount: Decimal
    exposure: Decimal
    currency: str = ""
    undercharged: Decimal = Decimal(0)
    accrued: Decimal = Decimal(0)

    @property
    def outcomes(self) -> int:
        """Number of outcomes; the outcomes of a class are either all pairs or all unpaired records."""
        return max(self.switch_rows, self.carrier_rows)


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Content of the page.

    Attributes:
        totals: totals by destination, class and currency.
        calls: breaks listed individually, the largest amount at risk first.
        causes: calls by cause, detail and currency, most calls first.
        decisions: breaks by decision and currency.
        trend: days of the carrier up to this one.
        open_breaks: undecided breaks up to this day.
        method: rules and thresholds, as name and value.
    """

    account_id: str
    account_name: str
    carrier: str
    business_date: date
    time_zone: str
    version: int
    status: str
    light: str
    findings: list[str]
    currency: str
    switch: VerdictTotals
    carrier_side: VerdictTotals
    breaks: int
    exposure: Decimal
    offset_status: str
    offset_ms: int
    drift_ppm: float
    spread_ms: int
    offset_pairs: int
    appeared: int
    resolved: int
    changed: int
    totals: list[ClassTotal]
    calls: list[Break]
    causes: list[CauseSum]
    decisions: list[DecisionSum]
    trend: list[TrendDay]
    open_breaks: list[OpenBreaks]
    method: list[tuple[str, str]]
    reconciled_at: datetime


@dataclass(frozen=True, slots=True)
class _Sum:
    """Sum of several class totals."""

    name: str
    outcomes: int
    switch_rows: int
    carrier_rows: int
    switch_seconds: Decimal
    carrier_seconds: Decimal
    switch_amount: Decimal
    carrier_amount: Decimal
    exposure: Decimal
    breaks: int


@dataclass(frozen=True, slots=True)
class _Age:
    words: str
    breaks: int
    exposure: Decimal


def render(page: ReportPage) -> bytes:
    """The page as UTF-8. Every value is escaped; the page loads nothing and contains no scripts."""
    style = _text("reconciliation_report.css")
    by_class = _sums(_of_the_day(page), lambda item: item.match_class)
    breaks = [item for item in by_class if item.breaks]
    return (
        _template()
        .render(
            page=page,
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            # Charges that cannot be verified come first, even the smallest.
            classes=sorted(
                breaks,
                key=lambda item: (item.name != MatchClass.UNPRICED.value, -item.exposure, -item.breaks, item.name),
            ),
            unpriced=sorted(
                (item for item in page.totals if item.match_class == MatchClass.UNPRICED.value),
                key=lambda item: (-item.carrier_amount, item.destination),
            ),
            agreed=[item for item in by_class if not item.breaks],
            largest=max((item.exposure for item in breaks), default=Decimal(0)),
            money=_money(page),
            decisions=sorted(page.decisions, key=lambda item: (_STATES.index(item.state), item.currency)),
            light_words=_LIGHTS[page.light],
            causes=page.causes[:_MOST_CAUSES],
            other_causes=_other_causes(page),
            destinations=_destinations(page),
            ages=_ages(page),
            trend_money=_trend(page, "exposure"),
            trend_breaks=_trend(page, "breaks"),
            zone=ZoneInfo(page.time_zone),
        )
        .encode()
    )


def _money(page: ReportPage) -> list[tuple[str, list[tuple[str, Decimal]]]]:
    """Parts of what the carrier charges, by currency; too much and too little are not netted."""
    by_currency: dict[str, list[ClassTotal]] = defaultdict(list)
    for item in page.totals:
        by_currency[item.currency or page.currency].append(item)
    sums: list[tuple[str, list[tuple[str, Decimal]]]] = []
    for currency, items in sorted(by_currency.items(), key=lambda part: (part[0] != page.currency, part[0])):
        separate = [sum((i.carrier_amount for i in items if i.match_class in kinds), Decimal(0)) for _, kinds in _PARTS]
        compared = [item for item in items if not any(item.match_class in kinds for _, kinds in _PARTS)]
        charged = sum((item.carrier_amount for item in items), Decimal(0))
        too_much = sum((item.exposure for item in compared if item.is_break), Decimal(0))
        too_little = sum((item.undercharged for item in compared), Decimal(0))
        agreed = charged - sum(separate, Decimal(0)) - too_much + too_little
        lines = [
            ("Charged", charged),
            ("Agreed", agreed),
            ("Charged too much", too_much),
            ("Charged too little", too_little),
            *((name, amount) for (name, _), amount in zip(_PARTS, separate, strict=True)),
            ("Not charged yet, accrued", sum((item.accrued for item in items), Decimal(0))),
        ]
        shown = [(name, amount) for name, amount in lines if amount or name == "Charged"]
        if any(amount for _, amount in shown):
            sums.append((currency, shown))
    return sums


def _other_causes(page: ReportPage) -> list[CauseSum]:
    """Sums of the causes that are not listed, one per currency; their detail is the number of causes."""
    rest: dict[str, list[CauseSum]] = defaultdict(list)
    for item in page.causes[_MOST_CAUSES:]:
        rest[item.currency].append(item)
    return [
        CauseSum(
            "",
            f"{len(items)} more",
            currency,
            sum(item.calls for item in items),
            sum((item.too_much for item in items), Decimal(0)),
            sum((item.too_little for item in items), Decimal(0)),
        )
        for currency, items in sorted(rest.items())
    ]


def _destinations(page: ReportPage) -> list[tuple[_Sum, list[ClassTotal], list[Break]]]:
    """Destinations with sum, classes and calls, largest amount at risk first; sums are of billable records."""
    calls: dict[str, list[Break]] = defaultdict(list)
    for call in page.calls:
        calls[call.destination].append(call)
    classes: dict[str, list[ClassTotal]] = defaultdict(list)
    for item in page.totals:
        classes[item.destination].append(item)
    left_out = (MatchClass.UNBILLABLE.value, MatchClass.REJECTED.value)
    billable = [item for item in _of_the_day(page) if item.match_class not in left_out]
    sums = sorted(
        _sums(billable, lambda item: item.destination), key=lambda item: (-item.exposure, -item.breaks, item.name)
    )
    return [(item, classes[item.name], calls[item.name]) for item in sums]


def _of_the_day(page: ReportPage) -> list[ClassTotal]:
    """Totals that can be added up: money in other currencies is set to 0."""
    none = {name: Decimal(0) for name in ("switch_amount", "carrier_amount", "exposure")}
    return [item if item.currency in ("", page.currency) else replace(item, **none) for item in page.totals]


def _sums(totals: list[ClassTotal], key: Callable[[ClassTotal], str]) -> list[_Sum]:
    groups: dict[str, list[ClassTotal]] = defaultdict(list)
    for item in totals:
        groups[key(item)].append(item)
    return [
        _Sum(
            name,
            sum(item.outcomes for item in items),
            sum(item.switch_rows for item in items),
            sum(item.carrier_rows for item in items),
            sum((item.switch_seconds for item in items), Decimal(0)),
            sum((item.carrier_seconds for item in items), Decimal(0)),
            sum((item.switch_amount for item in items), Decimal(0)),
            sum((item.carrier_amount for item in items), Decimal(0)),
            sum((item.exposure for item in items if item.is_break), Decimal(0)),
            sum(item.outcomes for item in items if item.is_break),
        )
        for name, items in sorted(groups.items())
    ]


def _ages(page: ReportPage) -> list[_Age]:
    """Undecided breaks up to this day by age of the calls when this version was reconciled."""
    today = page.reconciled_at.astimezone(ZoneInfo(page.time_zone)).date()
    ages: list[_Age] = []
    above = -1
    for limit, words in _AGES:
        days = [
            item
            for item in page.open_breaks
            if above < max((today - item.business_date).days, 0)
            and (limit is None or (today - item.business_date).days <= limit)
        ]
        ages.append(
            _Age(words, sum(item.break_count for item in days), sum((item.exposure for item in days), Decimal(0)))
        )
        above = limit if limit is not None else above
    return ages


def _trend(page: ReportPage, value: str) -> Bars:
    by_day = {day.business_date: day for day in page.trend}
    return bars_of(
        page.business_date,
        {day: Decimal(getattr(item, value)) for day, item in by_day.items()},
        {day for day, item in by_day.items() if item.light == "red"},
    )


def _text(name: str) -> str:
    return (resources.files("cdr_pipeline.exports") / name).read_text("utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "number": number,
        "amount": amount,
        "minutes": minutes,
        "seconds": seconds,
        "span": span_words,
        "class_name": class_name,
        "class_meaning": class_meaning,
        "cause": cause_words,
    }
    return environment.from_string(_text("reconciliation_report.html"))
