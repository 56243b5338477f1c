"""What is owed to a carrier for a month, its invoices, and tables as files."""

import csv
import io
import re
from contextlib import closing
from datetime import date
from decimal import Decimal

import openpyxl
import psycopg
import pytest

from cdr_pipeline.console.query import decimal_of, whole_number
from cdr_pipeline.exports.screen_tables import table_file
from cdr_pipeline.steps.days.calendar import calendar
from tests.support.console import Person, ServedConsole, visible_text

MONTH = "/carriers/month?carrier=bell&month=2026-03"
INVOICE = {"account": "self", "carrier": "bell", "first": "2026-03-01", "last": "2026-03-31", "currency": "USD"}


def lines_of(answer: bytes) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(answer.decode("utf-8-sig"))))


def store_invoice(person: Person, **form: str) -> tuple[int, str]:
    """Status and text after an invoice was sent."""
    person.get(MONTH)
    answer = person.send("/invoices", **(INVOICE | form))
    if answer.status_code == 303:
        return 303, person.text(answer.headers["location"])
    return answer.status_code, visible_text(answer.text)


def test_a_month_says_what_is_charged_agreed_and_to_decide(shared_console: ServedConsole) -> None:
    text = shared_console.person("viewer").text(MONTH)
    assert "Charged by its records 2.40" in text
    assert "Agreed 1.20" in text
    assert "To decide 1.20 USD" in text
    assert "Not complete" in text


def test_carriers_are_listed_with_months_charges_and_red_days(shared_console: ServedConsole) -> None:
    text = shared_console.person("viewer").text("/carriers")
    assert "March 2026 bell 2.40 USD 1.20 USD no invoice 1 1" in text


def test_a_destination_leads_to_its_calls(shared_console: ServedConsole) -> None:
    person = shared_console.person("viewer")
    links = re.findall(r'href="(/breaks[^"]+)">Calls', person.get(MONTH).text)
    assert "12 breaks" in person.text(links[0].replace("&amp;", "&"))


def test_an_invoice_is_stored_once_and_corrected_with_a_reason(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    status, text = store_invoice(person, number="R-1", total="3.00")
    assert status == 303
    assert "The invoice is stored." in text
    assert "Invoiced beyond the records 0.60 USD" in text
    assert "nothing was changed" in store_invoice(person, number="R-1", total="3.00")[1]
    status, text = store_invoice(person, number="R-1", total="2.40")
    assert status == 400
    assert "nothing was stored" in text
    assert store_invoice(person, number="R-1", total="2.40", reason="the carrier corrected it")[0] == 303
    shown = person.text("/invoices", account="self", carrier="bell", number="R-1")
    assert "the carrier corrected it" in shown
    assert "finance of all stored an invoice" in person.text("/audit")


def test_an_invoice_is_read_from_a_file_with_its_lines(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    person.get(MONTH)
    form = INVOICE | {"number": "R-2", "csrf": person.csrf, "first": "2026-01-01", "last": "2026-01-31"}
    content = b"destination,calls,amount,currency\nGermany,3,1.20,USD\nFrance,2,0.80,USD\n"
    files = {"file": ("january.csv", content, "text/csv")}
    assert person.client.post("/invoices", data=form, files=files).status_code == 303
    invoice = {"account": "self", "carrier": "bell", "number": "R-2"}
    assert "Germany" in person.text("/invoices", **invoice)
    rows = lines_of(person.download("/invoices", **invoice, format="csv").content)
    assert [(row["destination"], row["amount"]) for row in rows] == [
        ("Germany", "1.20000000"),
        ("France", "0.80000000"),
    ]
    broken = {"file": ("january.csv", b"destination\nGermany\n", "text/csv")}
    refused = person.client.post("/invoices", data=form | {"number": "R-3"}, files=broken)
    assert (refused.status_code, "amount" in refused.text) == (400, True)


def test_a_table_is_downloaded_with_the_filter_of_the_page(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    assert len(lines_of(person.download("/breaks", account="self", format="csv").content)) == 12
    assert len(lines_of(person.download("/breaks", account="self", at_least="0.10", format="csv").content)) == 12
    sheet = openpyxl.load_workbook(io.BytesIO(person.download("/breaks", format="xlsx").content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert len(rows) == 13
    assert rows[1][rows[0].index("difference")] == 0.1
    assert "downloaded a table" in person.text("/audit")


def test_a_table_of_a_viewer_has_no_numbers_of_callers(shared_console: ServedConsole) -> None:
    content = shared_console.person("viewer").download("/breaks", account="self", format="csv").text
    assert "difference" in content
    assert "+44770090" not in content


def test_texts_of_tables_are_never_formulas() -> None:
    rows = [{"name": "=1+1", "number": "+491761234567", "amount": Decimal("-0.10")}]
    assert table_file("t", rows, ["name", "number", "amount"], "csv").splitlines()[1] == b"'=1+1,+491761234567,-0.10"
    sheet = openpyxl.load_workbook(io.BytesIO(table_file("t", rows, ["name", "number", "amount"], "xlsx"))).active
    assert sheet is not None
    assert [cell.data_type for cell in sheet[2]] == ["s", "s", "n"]


def test_packs_of_a_day_are_downloaded_from_the_breaks(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    links = re.findall(r'href="(/breaks/pack/[^"]+)"', person.get("/breaks", account="self").text)
    assert len(links) == 3
    rows = {
        re.sub("carrier=bell|&amp;(until|signature)=[^&]*", "", link.partition("?")[2]): lines_of(
            person.get(f"{link}&format=csv".replace("&amp;", "&")).content
        )
        for link in links
    }
    assert {name: len(found) for name, found in rows.items()} == {"": 0, "&amp;undecided=1": 12, "&amp;internal=1": 12}
    assert shared_console.person("viewer").get(links[0]).status_code == 403


def test_accounts_show_zone_country_and_carriers(shared_console: ServedConsole) -> None:
    text = shared_console.person("viewer").text("/accounts", name="self")
    assert "name of self self name of top UTC +1 bell (USD) every night" in text


def test_operations_show_states_of_nights_to_operators_only(shared_console: ServedConsole) -> None:
    assert shared_console.person("approver").get("/operations").status_code == 403
    text = shared_console.person("operator").text("/operations")
    assert "Mon 2 Mar 2026" in text
    assert "1 red" in text


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "1" * 40, "1e999999999999999999999999"])
def test_filters_that_are_no_numbers_do_not_count(text: str) -> None:
    assert decimal_of(text) is None
    assert whole_number(text, 0, 10) == 0


def test_filters_take_a_decimal_comma_and_stay_within_bounds() -> None:
    assert decimal_of("0,5") == Decimal("0.5")
    assert [whole_number(text, 1, 100) for text in ("0", "7", "999")] == [1, 7, 100]


def test_reads_use_open_connections_again_and_replace_ended_ones(shared_console: ServedConsole) -> None:
    reading = shared_console.ctx.with_kept_connections(2)
    assert reading.pool
    with reading.ledger() as ledger:
        first = ledger.connection.info.backend_pid
    with reading.ledger() as ledger:
        assert ledger.connection.info.backend_pid == first
    with shared_console.ctx.ledger() as ledger:
        ledger.connection.execute("SELECT pg_terminate_backend(%s)", [first])
    with reading.ledger() as ledger:
        assert ledger.connection.info.backend_pid != first
        kept = ledger.connection
    reading.pool.close()
    with pytest.raises(psycopg.OperationalError):
        kept.execute("SELECT 1")


def test_statements_of_open_connections_are_planned_for_their_accounts(shared_console: ServedConsole) -> None:
    reading = shared_console.ctx.with_kept_connections(1)
    assert reading.pool
    with closing(reading.pool):
        for _ in range(15):
            calendar(["self", "child"], date(2026, 3, 1), date(2026, 3, 9), reading, only_action=True)
        with reading.ledger() as ledger:
            plans = ledger.connection.execute(
                "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements"
            ).fetchone()
    assert plans is not None
    assert (plans[0], plans[1] > 5) == (0, True)
