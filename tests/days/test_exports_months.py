"""Months, summaries and journal lines: sums of the days and of nothing else."""

from datetime import date
from decimal import Decimal

import orjson
import polars as pl
import pytest

from cdr_pipeline.exports import month as months
from cdr_pipeline.exports.month import NOTE_SUFFIX, verify_month
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days.export_month import MonthRequest, export_month
from cdr_pipeline.steps.run_context import RunContext
from tests.support.days import ACCOUNT, DAY, collected, deliver, export, seal

NEXT = date(2026, 3, 3)


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """Two days: one sealed, one open."""
    collected(ctx)
    collected(ctx, NEXT)
    priced = {"cost": Decimal("0.5"), "cost_currency": "USD", "answered": True}
    deliver(
        ctx,
        {"record_id": "a", "callee_e164": "+442079460000", **priced},
        {"record_id": "b", "callee_e164": "+12125550100", **priced},
        {"record_id": "c", "cost": Decimal("0.25"), "cost_currency": "EUR"},
        {"record_id": "d", "business_date": NEXT, **priced},
    )
    seal(ctx)
    export(ctx, NEXT)
    return ctx


def test_a_month_is_the_sum_of_its_days(place: RunContext) -> None:
    (written,) = export_month(MonthRequest(DAY), place)
    rows, summary = written.files
    note = orjson.loads(rows.with_name(rows.name + NOTE_SUFFIX).read_bytes())
    days = [pl.read_csv(rows.parent / day["file"], infer_schema=False) for day in note["days"]]
    assert pl.read_csv(rows, infer_schema=False).equals(pl.concat(days))
    assert (note["rows"], note["totals"]["all"]["legs"], note["state"]) == (4, 4, "provisional")
    assert note["totals"]["all"]["cost"] == {"EUR": "0.25000000", "USD": "1.50000000"}
    lines = pl.read_csv(summary, infer_schema=False)
    assert lines["legs"].cast(pl.Int64).sum() == 4
    assert sum(map(Decimal, lines["cost"]), Decimal(0)) == Decimal("1.75")
    assert lines.filter(pl.col("business_date") == "2026-03-02")["destination"].to_list() == ["+1212", "+44", "other"]
    assert not any(verify_tree(place.settings.export_dir).values())


def test_a_month_says_when_a_day_it_was_made_of_has_changed(place: RunContext) -> None:
    (written,) = export_month(MonthRequest(DAY), place)
    assert verify_month(written.files[0]) == []
    deliver(place, {"record_id": "e", "business_date": NEXT})
    export(place, NEXT)
    assert verify_month(written.files[0])[0].startswith("days")


def test_journal_lines_are_the_days_totals_by_currency(place: RunContext) -> None:
    (written,) = export_month(MonthRequest(DAY, preset="netsuite"), place)
    (path,) = written.files
    assert path.name == f"journal_{ACCOUNT}_2026-03_netsuite_1of1.csv"
    lines = pl.read_csv(path, infer_schema=False)
    assert lines.select("date", "currency", "amount").rows() == [
        ("2026-03-02", "EUR", "0.25000000"), ("2026-03-02", "USD", "1.00000000"), ("2026-03-03", "USD", "0.50000000"),
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [(2, 10**9), (100, 400)])
def test_journals_are_split_where_the_ledger_takes_no_more(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, limit: tuple[int, int]
) -> None:
    monkeypatch.setitem(months.LIMITS, "qbo", limit)
    (written,) = export_month(MonthRequest(DAY, preset="qbo"), place)
    assert [path.name.rpartition("_")[2] for path in written.files] == ["1of2.csv", "2of2.csv"]
    assert sum(pl.read_csv(path, infer_schema=False).height for path in written.files) == 3
