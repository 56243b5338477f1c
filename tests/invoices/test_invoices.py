"""Invoices through the steps and the commands, into a real warehouse and onto a page."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cdr_pipeline.errors import ConfigurationError, InvalidInvoice, InvoiceExists, InvoiceNotFound
from cdr_pipeline.exports.reconciliation_words import amount
from cdr_pipeline.simulator.carrier_file import CARRIER
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.invoices.compare_invoices import PeriodRequest, compare_period
from cdr_pipeline.steps.invoices.invoices import InvoiceEntry, add_invoice, list_invoices, show_invoice
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.credit_notes import record_credit_note
from cdr_pipeline.steps.reconciliation.decisions import decide_breaks
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.reconciliation.decisions import CreditNote
from tests.support.carriers import carriers_night, drop, reconciled
from tests.support.commands import run_command
from tests.support.nights import DAY, warehouse


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(accounts=1, calls_per_day=60)


@pytest.fixture
def ready(ctx: RunContext) -> RunContext:
    """A warehouse with one account and no calls."""
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account("acct", time_zone="Europe/Berlin"), now=ctx.clock())
    return ctx


def entry(**changes: object) -> InvoiceEntry:
    """An invoice with one total for the month of the test day."""
    base = InvoiceEntry(
        CARRIER, "R-1", DAY.replace(day=1), DAY.replace(day=31), "A. Controller", total="10", currency="EUR"
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_an_equal_invoice_is_stored_once(ready: RunContext) -> None:
    assert add_invoice(entry(), ready).is_new
    assert not add_invoice(entry(total="10.00", entered_by="B. Clerk"), ready).is_new
    assert [(item.version, item.entered_by, item.time_zone) for item in list_invoices(ready)] == [
        (1, "A. Controller", "Europe/Berlin")
    ]


def test_a_correction_needs_a_reason_and_keeps_the_version_before(ready: RunContext) -> None:
    add_invoice(entry(), ready)
    for refused in (entry(total="11"), entry(total="11", replace=True), entry(total="11", reason="typing error")):
        with pytest.raises(InvoiceExists, match="stored as version 1 with other content"):
            add_invoice(refused, ready)
    add_invoice(entry(total="11", replace=True, reason="typing error"), ready)
    assert [(item.version, item.lines[0].amount, item.reason) for item in show_invoice("R-1", ready)] == [
        (1, Decimal(10), ""), (2, Decimal(11), "typing error"),
    ]  # fmt: skip


def test_nothing_of_an_invalid_file_is_stored(ready: RunContext, tmp_path: Path) -> None:
    path = tmp_path / "r1.csv"
    path.write_text("destination,amount\nGermany,1\nFrance,one\n")
    with pytest.raises(InvalidInvoice, match=r"r1\.csv, line 3, column amount"):
        add_invoice(entry(total=None, path=path), ready)
    assert warehouse(ready, "SELECT count(*) FROM invoices") == [(0,)]
    assert warehouse(ready, "SELECT count(*) FROM invoice_lines") == [(0,)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total": None}, "a file with the lines of the invoice, or its total"),
        ({"number": " "}, "number: expected 1 to 100"),
        ({"entered_by": "a\nb"}, "entered_by"),
        ({"last_date": DAY.replace(year=2025)}, "ends before it begins"),
        ({"time_zone": "Berlin"}, "no IANA time zone"),
    ],
)
def test_an_incomplete_entry_is_refused(ready: RunContext, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        add_invoice(entry(**changes), ready)


@pytest.mark.parametrize("changes", [{"total": "ten"}, {"currency": "euro"}, {"currency": ""}])
def test_a_total_that_is_no_amount_is_refused(ready: RunContext, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInvoice, match="nothing was stored"):
        add_invoice(entry(**changes), ready)


def test_a_period_of_which_nothing_is_known_is_refused(ready: RunContext) -> None:
    with pytest.raises(InvoiceNotFound, match="no invoice and no reconciliation"):
        compare_period(PeriodRequest(CARRIER, DAY, DAY), ready)


def test_what_we_owe_follows_from_invoice_records_and_decisions(
    place: RunContext, switch: SimulatedSwitch, tmp_path: Path
) -> None:
    carriers_night(place, switch)
    reconciled(place)
    month = PeriodRequest(CARRIER, DAY.replace(day=1), DAY.replace(day=31))
    (before,) = compare_period(month, place).comparison.currencies
    ((charged,),) = warehouse(place, "SELECT sum(cost) FROM cdr WHERE origin = 'imported'")
    assert (before.currency, before.parts.charged, before.has_invoice) == ("USD", charged, False)
    assert before.parts.undecided > 0
    worst = list_breaks(BreakFilter(classes=["cost_mismatch"]), place)[0]
    decide_breaks([worst.outcome_id], place, decision="disputed", reason="rate", decided_by="A. Controller")
    path = tmp_path / "r1.csv"
    lines = [f"{row.name},{row.charged}" for row in before.rows]
    path.write_text("\n".join(["destination,amount", *lines, "Atlantis,3.5"]))
    add_invoice(entry(path=path, total=None, currency="USD"), place)
    compared = compare_period(month, place)
    (item,) = compared.comparison.currencies
    assert item.parts.disputed == worst.exposure
    assert item.parts.undecided == before.parts.undecided - worst.exposure
    assert (item.invoiced, item.invoiced_too_much) == (charged + Decimal("3.5"), Decimal("3.5"))
    assert item.payable == before.payable
    page = compared.page.read_text()
    assert "Atlantis" in page
    assert f"<b>{amount(item.payable)}</b><span>payable, USD</span>" in page
    assert worst.outcome_id[:10] in page
    assert "default-src 'none'" in page
    assert not re.search(r"<(?:script|img|link)\b", page)
    assert compare_period(month, place).page.read_text() == page
    told = json.loads(json.dumps(compared.as_json()))
    assert told["currencies"][0]["payable"] == str(item.payable)


def test_what_came_after_the_invoice_is_named_and_counts(place: RunContext, switch: SimulatedSwitch) -> None:
    carriers_night(place, switch)
    reconciled(place)
    month = PeriodRequest(CARRIER, DAY.replace(day=1), DAY.replace(day=31))
    (before,) = compare_period(month, place).comparison.currencies
    add_invoice(entry(total=str(before.parts.charged), currency="USD"), place)
    assert compare_period(month, place).comparison.changes == ()
    later = replace(place, clock=lambda: place.clock() + timedelta(hours=1))
    worst = list_breaks(BreakFilter(classes=["cost_mismatch"]), later)[0]
    decide_breaks([worst.outcome_id], later, decision="disputed", reason="rate", decided_by="A. Controller")
    note = CreditNote(worst.account_id, CARRIER, "C-1", worst.exposure + 1, "USD", Decimal(0))
    record_credit_note(note, BreakFilter(states=["disputed"]), later, recorded_by="A. Controller", partial=True)
    compared = compare_period(month, later)
    (item,) = compared.comparison.currencies
    assert (item.credit_notes, item.credit_due) == (worst.exposure, 0)
    assert [(change.kind, change.what, change.calls) for change in compared.comparison.changes] == [
        ("decided", "credited", 1)
    ]
    assert f"credit note C-1: 1.0000 of {worst.exposure + 1:.4f} USD close no break" in compared.comparison.findings
    page = compared.page.read_text()
    assert "Changed since the invoice" in page
    assert "C-1" in page


def test_a_correction_after_the_invoice_is_named_with_its_amounts(place: RunContext, switch: SimulatedSwitch) -> None:
    ((account_id, file),) = carriers_night(place, switch).items()
    reconciled(place)
    month = PeriodRequest(CARRIER, DAY.replace(day=1), DAY.replace(day=31))
    (before,) = compare_period(month, place).comparison.currencies
    add_invoice(entry(total=str(before.parts.charged), currency="USD"), place)
    later = replace(place, clock=lambda: place.clock() + timedelta(hours=1))
    ((record_id, cost),) = warehouse(place, "SELECT record_id, cost FROM cdr WHERE origin = 'imported' LIMIT 1")
    header, *lines = file.content.decode().splitlines()
    (line,) = [line for line in lines if line.startswith(record_id.rpartition(":")[2] + ",")][:1]
    cells = dict(zip(header.split(","), line.split(","), strict=True)) | {"cost": str(cost + 1)}
    drop(later, account_id, f"{header}\n{','.join(cells.values())}\n", name="corrected.csv")
    reconciled(later)
    (change,) = compare_period(month, later).comparison.changes
    assert (change.kind, change.calls, change.amount, change.difference) == ("corrected", 1, cost + 1, 1)


def test_names_on_an_invoice_are_escaped_on_the_page(ready: RunContext) -> None:
    add_invoice(entry(number="<script>alert(1)</script>", entered_by="<b>"), ready)
    page = compare_period(PeriodRequest(CARRIER, DAY.replace(day=1), DAY.replace(day=31)), ready).page.read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_commands_enter_list_show_and_compare_an_invoice(ready: RunContext) -> None:
    environment = {"CDR_DATA_DIR": str(ready.settings.data_dir), "CDR_WAREHOUSE_URL": ready.url}
    entering = ("invoices", "add", "--carrier", "bell", "--number", "R-7", "--month", "2026-10", "--by", "A")
    refused = run_command(*entering, "--total", "12.5", environment=environment)
    assert (refused.returncode, "add --currency EUR" in refused.stderr) == (InvalidInvoice.exit_code, True)
    entered = run_command(*entering, "--total", "12.5", "--currency", "EUR", environment=environment)
    assert "2026-10-01 to 2026-10-31 (Europe/Berlin), 12.5 EUR: stored as version 1" in entered.stdout
    again = run_command(*entering, "--total", "12.5", "--currency", "EUR", environment=environment)
    assert (again.returncode, "nothing was written" in again.stdout) == (0, True)
    listed = json.loads(run_command("invoices", "list", "--json", environment=environment).stdout)["invoices"]
    assert [(item["number"], item["totals"]) for item in listed] == [("R-7", {"EUR": "12.5"})]
    assert "A" in run_command("invoices", "show", "R-7", environment=environment).stdout
    compared = run_command("invoices", "compare", "--number", "R-7", "--json", environment=environment)
    (item,) = json.loads(compared.stdout)["comparison"]["currencies"]
    assert (Decimal(item["invoiced"]), Decimal(item["payable"]), Decimal(item["invoiced_too_much"])) == (
        Decimal("12.5"), Decimal(0), Decimal("12.5"),
    )  # fmt: skip


def test_a_comparison_without_a_period_names_what_is_missing(tmp_path: Path, warehouse_url: str) -> None:
    environment = {"CDR_DATA_DIR": str(tmp_path / "data"), "CDR_WAREHOUSE_URL": warehouse_url}
    ended = run_command("invoices", "compare", "--carrier", "bell", environment=environment)
    assert (ended.returncode, "give --month" in ended.stderr) == (ConfigurationError.exit_code, True)
