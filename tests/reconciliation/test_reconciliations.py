"""Reconciliations as they are kept: versions, links, decisions, day edges, rates. Records written by hand."""

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from cdr_pipeline.cli.reconciliation.breaks import breaks_app
from cdr_pipeline.core.reconcile.result.controls import ControlName
from cdr_pipeline.defs.reconciliation.reconciliation import tolerated
from cdr_pipeline.errors import BreakNotFound, WarehouseContended
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.controls import control_day
from cdr_pipeline.steps.reconciliation.decisions import decide_breaks
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconcileRequest, reconcile_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.rejects import DismissRequest, dismiss_rejects
from cdr_pipeline.warehouse.reconciliation import versions as reconciliations
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay, VersionTable
from tests.support.carriers import reconciled
from tests.support.nights import warehouse
from tests.support.two_sides import DAY, MORNING, classes, deliver, legs, line, number, one, starts

EMPTY_HOURS = "the carrier has no call in these hours, UTC:"


def test_equal_sides_are_green_and_every_pair_counts_once(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(index, start) for index, start in enumerate(starts(40))))
    item = one(place)
    assert (item.kept.version.light, item.kept.version.status, item.kept.version.breaks) == ("green", "final", 0)
    assert classes(place) == {"matched": 40}
    assert warehouse(place, "SELECT origin, count(*) FROM cdr_merged GROUP BY 1") == [("api+imported", 40)]
    with place.ledger() as ledger:
        assert ledger.reconciliations.of_day("acct", DAY) == ("green", 0, Decimal(0))
        assert ledger.reconciliations.of_day("acct", DAY - timedelta(days=1)).status == "none"


def test_a_late_record_makes_a_version_that_says_what_changed(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(index, start) for index, start in enumerate(starts(39))))
    first = one(place)
    assert (first.kept.number, first.kept.appeared, first.kept.resolved) == (1, 1, 0)
    deliver(place, line(39, starts(40)[39]), name="late.csv")
    second = one(place)
    assert (second.kept.number, second.kept.appeared, second.kept.resolved, second.kept.changed) == (2, 0, 1, 0)
    assert classes(place) == {"matched": 40}
    was = warehouse(place, "SELECT class, until_version FROM reconciled_calls WHERE since_version = 1 AND is_break")
    assert was == [("missing_at_carrier", 2)]
    assert first.report.exists()
    assert second.report.name.endswith("_v2.html")


def test_an_earlier_day_is_done_again_when_its_records_change(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(index, start) for index, start in enumerate(starts(39))))
    one(place)
    deliver(place, line(39, starts(40)[39]), name="late.csv")
    done = reconcile_day(ReconcileRequest(DAY + timedelta(days=1), changed_days=True), place)
    first = done.carriers[0]
    assert (first.kept.day.business_date, first.kept.number, first.asked) == (DAY, 2, False)


def test_a_pair_that_holds_no_more_is_unlinked(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(index, start) for index, start in enumerate(starts(40))))
    one(place)
    assert warehouse(place, "SELECT count(*) FROM cdr_links") == [(40,)]
    other_number = {"record_id": "s39", "callee_id_number": number(77), "callee_e164": number(77)}
    legs(place, starts(40), last=other_number)
    one(place)
    linked = warehouse(place, "SELECT imported_record_id FROM cdr_links WHERE imported_record_id LIKE '%:c39'")
    assert linked == []


@pytest.mark.fault("D06")
def test_breaks_above_what_is_tolerated_make_the_day_red(place: RunContext) -> None:
    legs(place, starts(40))
    dear = {0, 1, 2}
    deliver(place, *(line(i, start, cost="0.20" if i in dear else "0.10") for i, start in enumerate(starts(40))))
    item = one(place)
    assert item.kept.version.light == "red"
    assert item.kept.version.exposure == Decimal("0.30")
    assert any("the limit is 5.00 %" in finding for finding in item.kept.version.findings)
    with place.ledger() as ledger:
        assert ledger.reconciliations.of_day("acct", DAY) == ("red", 3, Decimal("0.30000000"))


@pytest.mark.fault("D06")
def test_what_the_profile_tolerates_is_green(place: RunContext) -> None:
    place.settings.profile_dir.mkdir(parents=True)
    (place.settings.profile_dir / "patient.toml").write_text(
        'native_id = ["id"]\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
        '[reconcile]\ncarrier = "bell"\ntolerated_exposure_share = 0.5\ntolerated_break_share = 0.5\n'
    )
    legs(place, starts(40))
    deliver(place, *(line(i, start, cost="0.20" if i < 3 else "0.10") for i, start in enumerate(starts(40))))
    assert one(place).kept.version.light == "green"


@pytest.mark.fault("D09")
def test_a_record_moved_to_the_adjacent_day_is_one_timing_break(
    place: RunContext,
) -> None:
    last = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    legs(place, [*starts(40), last], seconds=2400)
    # The carrier writes when the call ended, which was on the next day.
    deliver(
        place,
        *(line(i, start, seconds=2400) for i, start in enumerate(starts(40))),
        line(40, last + timedelta(seconds=2400), seconds=2400),
    )
    item = one(place)
    found = classes(place)
    assert "missing_at_carrier" not in found
    assert "missing_in_switch" not in found
    assert found.get("time_mismatch", 0) + found.get("number_only", 0) == 1
    assert item.kept.version.breaks == 1
    after = reconcile_day(ReconcileRequest(DAY + timedelta(days=1)), place)
    assert [kept.kept.version.breaks for kept in after.carriers] == [0]


def test_a_call_at_midnight_belongs_to_the_day_of_its_leg_and_to_no_other(place: RunContext) -> None:
    last = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
    legs(place, [*starts(40), last])
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))), line(40, last + timedelta(seconds=2)))
    assert one(place).kept.version.breaks == 0
    after = reconcile_day(ReconcileRequest(DAY + timedelta(days=1)), place)
    assert [(item.kept.version.switch_rows, item.kept.version.carrier_rows) for item in after.carriers] == [(0, 0)]


def test_a_day_whose_file_has_not_come_is_red_after_a_week(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(100 + i, start - timedelta(days=1)) for i, start in enumerate(starts(40))))
    soon, later = (replace(place, clock=lambda day=day: MORNING + timedelta(days=day)) for day in (7, 9))
    assert one(soon).kept.version.status == "provisional"
    with place.ledger() as ledger:
        assert ledger.reconciliations.of_day("acct", DAY).status == "provisional"
    night = ReconcileRequest(DAY + timedelta(days=8), changed_days=True)
    ended = {item.kept.day.business_date: item.kept for item in reconcile_day(night, later).carriers}[DAY]
    assert (ended.number, ended.version.status, ended.version.light) == (2, "final", "red")
    owed = "no record of the carrier for this day has come in 7 days: 40 calls, 4.0000 USD to accrue"
    assert owed in ended.version.findings
    assert not [item for item in reconcile_day(night, later).carriers if item.kept.day.business_date == DAY]
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))), name="at-last.csv")
    assert (one(later).kept.version.status, one(later).kept.version.light) == ("final", "green")


def test_a_carrier_whose_files_have_stopped_is_missed(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))))
    one(place)
    legs(place, [start + timedelta(days=7) for start in starts(40)], prefix="t")
    version = one(place, DAY + timedelta(days=7)).kept.version
    assert (version.status, version.switch_rows, version.carrier_rows) == ("provisional", 40, 0)
    owed = "no record of the carrier for this day has come in 7 days: 40 calls, 4.0000 USD to accrue"
    assert owed in version.findings


def test_records_of_a_day_that_the_switch_does_not_have_are_all_at_risk(place: RunContext) -> None:
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))))
    version = one(place).kept.version
    assert (version.light, version.breaks, version.exposure) == ("red", 40, Decimal("4.00"))
    assert classes(place) == {"missing_in_switch": 40}


def test_decisions_survive_reruns_and_earlier_ones_stay(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(i, start, cost="0.20" if i < 2 else "0.10") for i, start in enumerate(starts(39))))
    one(place)
    found = {item.switch_record_id: item for item in list_breaks(BreakFilter(classes=["cost_mismatch"]), place)}
    ids = [found["s0"].outcome_id[:10], found["s1"].outcome_id]
    decide_breaks(ids, place, decision="disputed", reason="wrong rate", decided_by="ada")
    decide_breaks(ids[:1], place, decision="credited", reason="credit note", decided_by="grace", expected=1)
    deliver(place, line(39, starts(40)[39]), name="late.csv")
    one(place)
    states = {item.switch_record_id: item.state for item in list_breaks(BreakFilter(), place)}
    assert states == {"s0": "credited", "s1": "disputed"}
    assert warehouse(place, "SELECT decision, decided_by FROM break_decisions ORDER BY outcome_id, decision_no") != []
    assert warehouse(place, "SELECT count(*) FROM break_decisions") == [(3,)]
    assert list_breaks(BreakFilter(states=["open"]), place) == []


def test_another_amount_is_another_break_and_open_again(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(i, start, cost="0.20" if i < 1 else "0.10") for i, start in enumerate(starts(40))))
    one(place)
    (item,) = list_breaks(BreakFilter(), place)
    decide_breaks([item.outcome_id], place, decision="accepted", reason="small", decided_by="ada")
    deliver(place, line(0, starts(1)[0], cost="7.00"), name="corrected.csv")
    kept = one(place).kept
    assert (kept.appeared, kept.resolved, kept.changed) == (0, 0, 1)
    (again,) = list_breaks(BreakFilter(), place)
    assert (again.state, again.exposure) == ("open", Decimal("6.90000000"))


def test_amounts_of_two_currencies_are_never_added(place: RunContext) -> None:
    legs(place, starts(40))
    theirs = [line(i, start) for i, start in enumerate(starts(40))]
    theirs[0] = theirs[0].replace("USD", "EUR").replace("0.10", "7.00")
    theirs.append(line(50, MORNING + timedelta(hours=9), id_="extra", cost="0.30"))
    deliver(place, *theirs)
    item = one(place)
    said = item.kept.version
    assert (said.currency, said.exposure, said.carrier_amount) == ("USD", Decimal("0.30"), Decimal("4.20"))
    assert (said.light, said.breaks, said.carrier_rows) == ("red", 2, 41)
    assert "7.0000 EUR charged and 7.0000 EUR at risk in another currency: not in the totals" in said.findings
    money = {(row["class"], row["currency"]): (row["switch_amount"], row["carrier_amount"]) for row in said.totals}
    assert money["cost_mismatch", "EUR"] == (0, Decimal("7.00"))
    assert money["cost_mismatch", "USD"] == (Decimal("0.10"), 0)
    assert {part.exposure_currency: part.exposure for part in list_breaks(BreakFilter(), place)} == {
        "EUR": Decimal("7.00"),
        "USD": Decimal("0.30"),
    }
    text = item.report.read_text()
    assert "Other price, EUR" in text
    assert "7.30" not in text


def test_where_most_prices_differ_the_switchs_may_be_customer_prices(place: RunContext) -> None:
    legs(place, starts(40), cost="0.50")
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))))
    assert any("compare_amounts = false" in finding for finding in one(place).kept.version.findings)


def test_breaks_export_writes_the_internal_pack_by_command(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    legs(place, starts(40))
    theirs = [line(i, start, cost="0.20" if i == 3 else "0.10") for i, start in enumerate(starts(40))]
    deliver(place, *theirs, line(50, MORNING + timedelta(hours=9), id_="extra"))
    one(place)
    monkeypatch.setenv("CDR_WAREHOUSE_URL", place.url)
    monkeypatch.setenv("CDR_DATA_DIR", str(place.settings.data_dir))
    asked = ["export", "--date", str(DAY), "--account", "acct", "--carrier", "bell", "--out", str(tmp_path / "pack")]
    asked.append("--internal")
    done = CliRunner().invoke(breaks_app, asked)
    assert done.exit_code == 0, done.output
    assert "2 breaks" in done.output
    with (tmp_path / "pack" / f"breaks_bell_acct_{DAY}.csv").open(newline="") as file:
        found = {row["class"]: (row["charged_too_much"], row["carrier_record_id"]) for row in csv.DictReader(file)}
    assert found == {"cost_mismatch": ("0.10000000", "c3"), "missing_in_switch": ("0.10000000", "extra")}
    book = load_workbook(tmp_path / "pack" / f"breaks_bell_acct_{DAY}.xlsx", read_only=True)
    (everything,) = [row for row in book["Totals"].iter_rows(values_only=True) if row[0] == "All"]
    assert (everything[3], everything[-3:]) == (2, (0.2, 0, "USD"))


@pytest.mark.parametrize("wanted", ["ffffffff", "ff", ""])
def test_an_id_that_fits_no_break_decides_nothing(place: RunContext, wanted: str) -> None:
    with pytest.raises(BreakNotFound):
        decide_breaks([wanted], place, decision="accepted", reason="r", decided_by="b")
    assert warehouse(place, "SELECT count(*) FROM break_decisions") == [(0,)]


def test_a_rate_card_names_the_cause_of_another_price(place: RunContext) -> None:
    place.settings.profile_dir.mkdir(parents=True)
    (place.settings.profile_dir / "bell.toml").write_text(
        'native_id = ["id"]\ncurrency = "USD"\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
        '[reconcile]\ncarrier = "bell"\nrate_card = "bell.csv"\n'
    )
    (place.settings.profile_dir / "bell.csv").write_text(
        "prefix,rate,valid_from,valid_to\n447700,0.10,2026-01-01,2026-12-31\n447700,9.99,2027-01-01,\n"
    )
    legs(place, starts(40), cost="0")
    deliver(place, *(line(i, start, cost="0.17" if i < 1 else "0.10") for i, start in enumerate(starts(40))))
    one(place)
    (item,) = list_breaks(BreakFilter(), place)
    assert (item.match_class, item.cause, item.exposure) == ("cost_mismatch", "rate", Decimal("0.07000000"))


def test_the_page_groups_calls_of_equal_cause(place: RunContext) -> None:
    place.settings.profile_dir.mkdir(parents=True)
    (place.settings.profile_dir / "bell.toml").write_text(
        'native_id = ["id"]\ncurrency = "USD"\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
        '[reconcile]\ncarrier = "bell"\nrate_card = "bell.csv"\n'
    )
    (place.settings.profile_dir / "bell.csv").write_text("prefix,rate,increment\n447700,0.06,1\n")
    legs(place, starts(40), seconds=25)
    # 25 s cost 0.025; ten calls are charged a whole minute, and one too little.
    costs = ["0.06"] * 10 + ["0.02"] + ["0.025"] * 29
    deliver(place, *(line(i, start, seconds=25, cost=costs[i]) for i, start in enumerate(starts(40))))
    item = one(place)
    assert (
        "<td>billing increment<small>60/1 instead of 1/1</small></td>"
        '<td class="n">10</td><td class="n">0.3500</td><td class="n">0.0000</td><td>USD</td>'
    ) in item.report.read_text("utf-8")
    with place.ledger() as ledger:
        sums = ledger.reconciliations.causes("acct", "bell", DAY, "USD")
    assert [(each.cause, each.calls, each.too_much, each.too_little) for each in sums] == [
        ("increment", 10, Decimal("0.35"), Decimal(0)),
        ("rounding", 1, Decimal(0), Decimal("0.005")),
    ]


def test_money_of_rejected_lines_is_in_the_totals_of_the_day(place: RunContext) -> None:
    legs(place, starts(40))
    good = [line(i, start) for i, start in enumerate(starts(40))]
    bad_seconds = line(50, starts(1)[0], cost="0.30").replace(",60,60,", ",60,sixty,")
    bad_cost = line(51, starts(1)[0], cost="n/a")
    other_currency = line(52, starts(1)[0], cost="0.70").replace(",60,60,", ",60,sixty,").replace("USD", "EUR")
    too_few_cells = "c53,only,three"
    deliver(place, *good, bad_seconds, bad_cost, other_currency, too_few_cells)
    item = one(place)
    assert (
        "4 lines of the carrier's files cannot be read: 0.7000 EUR, 0.3000 USD charged in 2, 2 without a readable"
        " amount; correct or dismiss them"
    ) in item.kept.version.findings
    rejected = {row["currency"]: row for row in item.kept.version.totals if row["class"] == "rejected"}
    assert {unit: (row["carrier_rows"], row["carrier_amount"]) for unit, row in rejected.items()} == {
        "EUR": (1, Decimal("0.70")),
        "USD": (3, Decimal("0.30")),
    }
    page = item.report.read_text("utf-8")
    assert "<td>Charged</td>" + '<td class="n">4.3000</td>' in page
    assert "<td>Agreed</td>" + '<td class="n">4.0000</td>' in page
    assert "<td>Rejected lines</td>" + '<td class="n">0.3000</td>' in page
    assert "<td>Rejected lines</td>" + '<td class="n">0.7000</td>' in page


def test_a_day_with_rejected_lines_is_red_until_they_are_dismissed(place: RunContext) -> None:
    legs(place, starts(40))
    good = [line(i, start) for i, start in enumerate(starts(40))]
    deliver(place, *good, line(50, starts(1)[0], cost="0.30").replace(",60,60,", ",60,sixty,"))
    before = one(place)
    assert (before.kept.number, before.light, before.open_breaks, before.rejected_lines) == (1, "red", 0, 1)
    check = tolerated([before])
    assert not check.passed
    assert "rejects dismiss --date 2026-03-02" in str(check.metadata["what_to_do"].value)
    assert [item.code for item in find_problems(place) if "verif" in item.code] == []
    assert not one(place).kept.fresh
    dismissed = dismiss_rejects(DismissRequest("ada", "no call", business_date=DAY), place)
    (again,) = dismissed.reconciled[0].carriers
    assert (dismissed.rows, again.kept.number, again.light, again.rejected_lines) == (1, 2, "green", 0)
    with place.ledger() as ledger:
        assert ledger.reconciliations.of_day("acct", DAY).status == "green"


def test_rejected_lines_of_a_reconciled_day_make_the_day_due(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))))
    assert one(place).light == "green"
    warehouse(place, "UPDATE days SET state = 'sealed' RETURNING 1")
    deliver(place, line(50, starts(1)[0]).replace(",60,60,", ",60,sixty,"), name="late.csv")
    done = reconcile_day(ReconcileRequest(DAY + timedelta(days=1), changed_days=True), place)
    assert [(item.kept.day.business_date, item.light) for item in done.carriers][:1] == [(DAY, "red")]


def test_a_carrier_with_rejected_lines_only_is_reconciled(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(i, start).replace(",60,60,", ",60,sixty,") for i, start in enumerate(starts(40))))
    item = one(place)
    assert (item.light, item.kept.version.status, item.rejected_lines) == ("red", "final", 40)


def test_a_charge_without_a_price_is_listed_first_and_named_by_a_control(place: RunContext) -> None:
    place.settings.profile_dir.mkdir(parents=True)
    (place.settings.profile_dir / "bell.toml").write_text(
        'native_id = ["id"]\ncurrency = "USD"\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
        '[reconcile]\ncarrier = "bell"\nrate_card = "bell.csv"\n'
    )
    (place.settings.profile_dir / "bell.csv").write_text("prefix,rate\n447700,0.10\n")
    legs(place, starts(40), last={"callee_id_number": "+88213123456", "callee_e164": "+88213123456"})
    lines = [line(i, start) for i, start in enumerate(starts(40))]
    deliver(place, *lines[:-1], lines[-1].replace(number(39), "+88213123456"))
    item = one(place)
    assert (item.kept.version.light, classes(place)) == ("red", {"matched": 39, "unpriced": 1})
    page = item.report.read_text("utf-8")
    assert page.index("Charges without an agreed price") < page.index("Both sides")
    assert "<td>+8821</td>" in page
    (control,) = (found for found in control_day(DAY, place) if found.name is ControlName.PRICES)
    assert (control.passed, control.evidence) == (False, "+8821: 1 call, 0.1")
    (listed,) = list_breaks(BreakFilter(), place)
    assert (listed.match_class, listed.cause, listed.expected_amount) == ("unpriced", "no_price", None)


def test_ringing_that_is_billed_is_a_cause_and_the_clock_stays(place: RunContext) -> None:
    legs(place, starts(40), cost="0")
    warehouse(
        place,
        "UPDATE cdr SET ringing_seconds = 5 + ascii(right(record_id, 1)) % 9, answered_at = started_at"
        " WHERE origin = 'api' RETURNING 1",
    )
    rings = dict(warehouse(place, "SELECT record_id, ringing_seconds::int FROM cdr"))
    place.settings.profile_dir.mkdir(parents=True)
    (place.settings.profile_dir / "bell.toml").write_text(
        'native_id = ["id"]\ncurrency = "USD"\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
        '[reconcile]\ncarrier = "bell"\nrate_card = "bell.csv"\n'
    )
    (place.settings.profile_dir / "bell.csv").write_text("prefix,rate\n447700,0.60\n")
    lines = [
        line(i, start - timedelta(seconds=ring), seconds=60 + ring, cost=f"{0.6 + ring / 100:.2f}")
        for i, start, ring in ((i, start, rings[f"s{i}"]) for i, start in enumerate(starts(40)))
    ]
    deliver(place, *lines)
    item = one(place)
    assert warehouse(place, "SELECT DISTINCT cause, expected_amount::text FROM reconciled_calls") == [
        ("ringing_billed", "0.60000000")
    ]
    assert item.kept.version.offset_ms == 0
    assert item.kept.version.exposure == sum(Decimal(ring) / 100 for ring in rings.values())
    assert "<td>Charged too much</td>" in item.report.read_text("utf-8")


def test_hours_that_the_carriers_file_lacks_are_named(place: RunContext) -> None:
    times = starts(40)
    legs(place, times)
    deliver(place, *(line(i, start) for i, start in enumerate(times) if start.hour != 9))
    findings = one(place).kept.version.findings
    assert f"{EMPTY_HOURS} 03-02 09:00 to 10:00 (20 calls, 2.0000 USD to accrue)" in findings


def test_an_hour_with_one_call_that_the_file_lacks_is_named_as_well(place: RunContext) -> None:
    night = datetime(2026, 3, 2, 3, 10, tzinfo=UTC)
    legs(place, [*starts(5), night])
    deliver(place, *(line(i, start) for i, start in enumerate(starts(5))))
    findings = one(place).kept.version.findings
    assert f"{EMPTY_HOURS} 03-02 03:00 to 04:00 (1 call, 0.1000 USD to accrue)" in findings


def test_a_broken_rate_card_fails_its_carrier_and_leaves_the_others_done(place: RunContext) -> None:
    place.settings.profile_dir.mkdir(parents=True)
    (place.settings.profile_dir / "bell.toml").write_text(
        'native_id = ["id"]\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
        '[reconcile]\ncarrier = "bell"\nrate_card = "bell.csv"\n'
    )
    (place.settings.profile_dir / "bell.csv").write_text("prefix,rate\n44,dear\n")
    legs(place, starts(40))
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))))
    deliver(place, line(0, starts(1)[0], id_="x").replace(",bell", ",ring"), name="ring.csv")
    done = reconcile_day(ReconcileRequest(DAY), place)
    assert [failure.code for failure in done.failures] == ["invalid_rate_card"]
    assert "line 2" in done.failures[0].message
    assert [item.kept.day.carrier for item in done.carriers] == ["ring"]


def test_links_that_cannot_be_restored_fail_their_carrier_only(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, restored = VersionTable.restore_links, list[str]()

    def broken_for_bell(table: VersionTable, day: CarrierDay, **more: Any) -> None:
        if day.carrier == "bell":
            raise WarehouseContended("the warehouse was busy")
        restored.append(day.carrier)
        whole(table, day, **more)

    monkeypatch.setattr(VersionTable, "restore_links", broken_for_bell)
    legs(place, starts(40))
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))))
    deliver(place, line(0, starts(1)[0], id_="x").replace(",bell", ",ring"), name="ring.csv")
    done = reconcile_day(ReconcileRequest(DAY), place)
    assert [failure.code for failure in done.failures] == [WarehouseContended.code]
    assert restored == ["ring"]
    assert {item.kept.day.carrier for item in done.carriers} == {"bell", "ring"}


def test_two_carriers_of_one_account_are_told_apart_by_their_trunks(place: RunContext) -> None:
    place.settings.profile_dir.mkdir(parents=True)
    for name in ("bell", "ring"):
        (place.settings.profile_dir / f"{name}.toml").write_text(
            'native_id = ["id"]\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
            f'[reconcile]\ncarrier = "{name}"\ntrunks = ["{name}-trunk"]\n'
        )
    legs(place, starts(40))
    warehouse(
        place,
        "UPDATE cdr SET resource_id = CASE WHEN record_id < 's2' THEN 'bell-trunk' ELSE 'ring-trunk' END RETURNING 1",
    )
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40)) if f"s{i}" < "s2"))
    others = [line(i, start) for i, start in enumerate(starts(40)) if f"s{i}" >= "s2"]
    deliver(place, *(text.replace(",bell", ",ring") for text in others), name="ring.csv")
    done = reconciled(place)
    assert [(item.kept.day.carrier, item.kept.version.breaks) for item in done.carriers] == [("bell", 0), ("ring", 0)]


def test_two_at_once_keep_one_version(place: RunContext) -> None:
    legs(place, starts(40))
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))))
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: reconcile_day(ReconcileRequest(DAY), place), range(2)))
    assert [item.failures for item in done] == [(), ()]
    assert sorted(item.carriers[0].kept.fresh for item in done) == [False, True]
    assert warehouse(place, "SELECT count(*), max(version) FROM reconciliations") == [(1, 1)]


@pytest.mark.parametrize("point", ["_insert", "_link"])
def test_a_crash_during_writing_leaves_nothing_and_the_next_run_is_whole(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    legs(place, starts(40))
    deliver(place, *(line(i, start) for i, start in enumerate(starts(40))))
    real = getattr(reconciliations, point)

    def die(*args: Any, **more: Any) -> None:
        real(*args, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(reconciliations, point, die)
    with pytest.raises(KeyboardInterrupt):
        reconcile_day(ReconcileRequest(DAY), place)
    for table in ("reconciliations", "reconciled_calls", "cdr_links"):
        assert warehouse(place, f"SELECT count(*) FROM {table}") == [(0,)]
    monkeypatch.undo()
    assert one(place).kept.number == 1
    assert classes(place) == {"matched": 40}


@pytest.mark.fault("R206")
def test_both_sides_of_a_reconciliation_are_read_as_of_one_moment(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    legs(place, starts(3))
    deliver(place, *(line(index, start) for index, start in enumerate(starts(3))))
    one(place)
    copied = reconciliations._copied  # pyright: ignore[reportPrivateUsage]
    sides: list[int] = []

    def copied_slowly(connection: Any, name: str, parameters: dict[str, Any]) -> Any:
        found = copied(connection, name, parameters)
        sides.append(found.height)
        if name.endswith("switch_records") and len(sides) == 1:
            # Between the two sides, another process loads a leg and its record.
            with monkeypatch.context() as other:
                other.setattr(reconciliations, "_copied", copied)
                legs(place, starts(4)[3:], prefix="late")
                deliver(place, line(3, starts(4)[3]), name="late.csv")
        return found

    monkeypatch.setattr(reconciliations, "_copied", copied_slowly)
    assert one(place).kept.fresh is False
    assert sides == [3, 3]
    with place.ledger() as ledger:
        assert ledger.reconciliations.due_days("acct", DAY, DAY) == [DAY]
