"""Invoices as files: what is read, and what is refused with file, line and column."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cdr_pipeline.errors import InvalidInvoice
from cdr_pipeline.sources.invoice_files import read_invoice_lines

LAST = date(2026, 10, 31)


def test_columns_may_be_in_any_order_and_most_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "r1.csv"
    path.write_text("Destination,Amount,calls\n Germany  fix ,1.50,3\nFrance,-0.2,\n")
    first, second = read_invoice_lines(path, currency="EUR", last_date=LAST)
    assert (first.destination, first.amount, first.calls, first.currency, first.kind) == (
        "Germany fix", Decimal("1.50"), 3, "EUR", "usage",
    )  # fmt: skip
    assert (second.kind, second.line_no) == ("credit", 3)


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("destination\nGermany\n", "line 1, column amount: missing", "its columns are"),
        ("amount,price\n1,2\n", "line 1, column price: unknown", "its columns are"),
        ("amount,amount\n1,2\n", "line 1, column amount: named twice", "its columns are"),
        ("amount\n", "has no lines", "one line with the total"),
        ("amount\n\n1,50\n", "line 3: 2 values for 1 columns", "decimal point"),
        ("amount\n1.5\nabc\n", "line 3, column amount", "an amount with a decimal point"),
        ("amount\nNaN\n", "line 2, column amount", "an amount with a decimal point"),
        ("amount\n0.123456789\n", "line 2, column amount", "8 decimals"),
        ("amount,day\n1,2026-11-01\n", "line 2, column day: after the end", "a day up to 2026-10-31"),
        ("amount,day\n1,01.10.2026\n", "line 2, column day", "YYYY-MM-DD"),
        ("amount,kind\n1,bonus\n", "line 2, column kind", "usage, credit, fee, tax"),
        ("amount,kind\n1,credit\n", "line 2, column amount: a credit", "negative"),
        ("amount,currency\n1,EURO\n", "line 2, column currency", "three letters"),
        ("amount,calls\n1,-3\n", "line 2, column calls", "a whole number"),
        ("amount,direction\n1,up\n", "line 2, column direction", "outbound or inbound"),
    ],
)
def test_an_invalid_line_is_named_with_what_is_allowed(tmp_path: Path, text: str, place: str, hint: str) -> None:
    path = tmp_path / "r1.csv"
    path.write_text(text)
    with pytest.raises(InvalidInvoice) as raised:
        read_invoice_lines(path, currency="EUR", last_date=LAST)
    assert f"invoice r1.csv, {place}" in raised.value.message or place in raised.value.message
    assert hint in (raised.value.hint or "")


def test_a_line_without_any_currency_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r1.csv").write_text("amount\n1\n")
    with pytest.raises(InvalidInvoice, match="line 2, column currency: no currency"):
        read_invoice_lines(tmp_path / "r1.csv", currency="", last_date=LAST)


def test_a_file_that_is_not_utf8_names_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "r1.csv").write_bytes(b"amount,destination\n1,\xe9\n")
    with pytest.raises(InvalidInvoice, match="line 2, column 2: not UTF-8"):
        read_invoice_lines(tmp_path / "r1.csv", currency="EUR", last_date=LAST)
