"""The page and the pack that people get: escaped, self-contained, the same for the same."""

import csv
import re
import zipfile
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cdr_pipeline.core.reconcile.result.breaks import Break, CauseSum, OpenBreaks, TrendDay
from cdr_pipeline.core.reconcile.result.decisions import DecisionSum
from cdr_pipeline.core.reconcile.result.verdict import VerdictTotals
from cdr_pipeline.exports.internal_pack import write_internal_pack
from cdr_pipeline.exports.reconciliation_report import ClassTotal, ReportPage, render
from cdr_pipeline.exports.reconciliation_words import amount, span_words

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
HEADING = [("Carrier", "bell"), ("Account", "acct"), ("Business date", "2026-03-02, UTC")]


def a_break(**changes: object) -> Break:
    base: dict[str, object] = {field.name: None for field in fields(Break)}
    base |= {
        "account_id": "acct", "carrier": "bell", "business_date": DAY, "outcome_id": "0123456789abcdef",
        "match_class": "cost_mismatch", "ambiguous": False, "destination": "+4477", "exposure": Decimal("0.10"),
        "currency": "USD", "found_at": NOON, "call_started_at": datetime(2026, 3, 2, 8, tzinfo=UTC),
        "switch_caller": "+442079460001", "switch_callee": "+447700900001", "switch_seconds": Decimal(60),
        "carrier_seconds": Decimal(60), "switch_amount": Decimal("0.10"), "carrier_amount": Decimal("0.20"),
    }  # fmt: skip
    return Break(**(base | changes))  # type: ignore[arg-type]


@pytest.fixture
def page() -> ReportPage:
    side = VerdictTotals(10, Decimal(600), Decimal("1.00"))
    total = ClassTotal(
        "+4477", "cost_mismatch", True, 1, 1, Decimal(60), Decimal(60), Decimal("0.1"), Decimal("0.2"), Decimal("0.1")
    )
    return ReportPage(
        account_id="acct", account_name="Example", carrier="bell", business_date=DAY, time_zone="Europe/Berlin",
        version=1, status="final", light="red", findings=["too much"], currency="USD", switch=side,
        carrier_side=side, breaks=1, exposure=Decimal("0.1"), offset_status="found", offset_ms=3_605_400,
        drift_ppm=0.0, spread_ms=3, offset_pairs=40, appeared=1, resolved=0, changed=0, totals=[total],
        calls=[a_break()], causes=[], decisions=[DecisionSum("bell", "open", "USD", 1, Decimal("0.1"), Decimal(0))],
        trend=[TrendDay(DAY, "red", 1, Decimal("0.1"), Decimal(1), 10)],
        open_breaks=[OpenBreaks(DAY, 1, Decimal("0.1"))], method=[("Clock", "answer")], reconciled_at=NOON,
    )  # fmt: skip


@pytest.mark.fault("B19")
def test_html_and_scripts_in_any_text_are_shown_not_run(page: ReportPage) -> None:
    hostile = replace(
        page,
        account_name=HOSTILE,
        carrier=HOSTILE,
        findings=[HOSTILE],
        method=[(HOSTILE, HOSTILE)],
        totals=[replace(page.totals[0], destination=HOSTILE)],
        calls=[a_break(caller_id_name=HOSTILE, switch_caller=HOSTILE, switch_callee=HOSTILE, destination=HOSTILE)],
    )
    text = render(hostile).decode()
    assert text.count("&lt;script&gt;") >= 8
    assert not re.search(r"<(?:script|img|iframe|object|link|base)\b", text)
    assert not re.search(r"<[^>]+\son\w+=", text)


def test_the_page_loads_nothing_and_says_so_to_the_browser(page: ReportPage) -> None:
    text = render(page).decode()
    assert "default-src 'none'" in text
    assert "unsafe" not in text
    assert not re.search(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""", text)
    assert " style=" not in text


def test_the_page_is_the_same_for_the_same(page: ReportPage) -> None:
    assert render(page) == render(replace(page))
    assert render(page) != render(replace(page, light="green"))


def test_the_page_shows_what_a_controller_asks(page: ReportPage) -> None:
    text = render(page).decode()
    for said in ("Red: above what is tolerated", "Other price", "+1 h 0 min 5.4 s", "09:00:00", "up to 1 day"):
        assert said in text


def test_equal_causes_are_one_line_without_netting(page: ReportPage) -> None:
    cause = CauseSum("increment", "60/60 instead of 1/1", "EUR", 40, Decimal("0.2504"), Decimal("0.0101"))
    text = render(replace(page, causes=[cause])).decode()
    assert (
        "<td>billing increment<small>60/60 instead of 1/1</small></td>"
        '<td class="n">40</td><td class="n">0.2504</td><td class="n">0.0101</td><td>EUR</td>'
    ) in text


def test_causes_beyond_the_list_are_summed_by_currency(page: ReportPage) -> None:
    causes = [CauseSum("rate", f"rate {n}", "EUR", 2, Decimal("0.5"), Decimal("0.25")) for n in range(28)]
    text = render(replace(page, causes=causes)).decode()
    assert (
        "<td>Other causes<small>3 more</small></td>"
        '<td class="n">6</td><td class="n">1.5000</td><td class="n">0.7500</td><td>EUR</td>'
    ) in text
    assert text.count("<small>rate ") == 25


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0", "0.00"),
        ("1234.5", "1,234.50"),
        ("0.00000001", "0.00000001"),
        ("-2.5", "\N{MINUS SIGN}2.50"),
        ("1E+3", "1,000.00"),
    ],
)
def test_money_is_shown_to_its_last_decimal(value: str, said: str) -> None:
    assert amount(Decimal(value)) == said


def test_lengths_of_time_are_in_units_that_people_use() -> None:
    assert [span_words(value) for value in (0, -2400, 3_600_000)] == ["+0 s", "\N{MINUS SIGN}2.4 s", "+1 h 0 min 0 s"]


@pytest.mark.fault("B19")
def test_what_looks_like_a_formula_is_text_in_the_workbook(tmp_path: Path) -> None:
    pack = write_internal_pack(
        [a_break(caller_id_name='=HYPERLINK("http://x")', reason="@SUM(1)", switch_caller="=1+1")],
        folder=tmp_path,
        heading=HEADING,
        made_at=NOON,
    )
    with zipfile.ZipFile(pack.workbook) as book:
        sheets = [book.read(name).decode() for name in book.namelist() if "worksheets/" in name]
        texts = book.read("xl/sharedStrings.xml").decode()
    assert not any("<f>" in sheet or "hyperlink" in sheet for sheet in sheets)
    assert "=HYPERLINK(" in texts


@pytest.mark.fault("B19")
def test_the_csv_of_the_pack_gives_a_spreadsheet_no_formula(tmp_path: Path) -> None:
    pack = write_internal_pack([a_break(caller_id_name="=1+1")], folder=tmp_path, heading=HEADING, made_at=NOON)
    (row,) = csv.DictReader(pack.csv_file.read_text().splitlines())
    assert row["caller_id_name"] == "'=1+1"
    assert (row["switch_callee"], row["carrier_amount"], row["charged_too_much"]) == ("+447700900001", "0.20", "0.10")


def test_the_pack_is_the_same_for_the_same(tmp_path: Path) -> None:
    packs = [
        write_internal_pack([a_break()], folder=tmp_path / name, heading=HEADING, made_at=NOON)
        for name in ("one", "two")
    ]
    assert packs[0].workbook.read_bytes() == packs[1].workbook.read_bytes()
    assert packs[0].csv_file.read_bytes() == packs[1].csv_file.read_bytes()
