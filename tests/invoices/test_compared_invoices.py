"""Invoices compared with charges: parts that add up, rows by destination, credits, and calls that are billed late."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.invoices.charges import Charge
from cdr_pipeline.core.reconcile.invoices.compared_rows import FEES
from cdr_pipeline.core.reconcile.invoices.comparison import InvoiceComparison, compare_invoices
from cdr_pipeline.core.reconcile.invoices.currency_comparison import CurrencyComparison
from cdr_pipeline.core.reconcile.invoices.invoice import KINDS, Invoice, InvoiceLine

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
NOON = datetime(2026, 10, 2, 12, tzinfo=UTC)
MONEY = st.decimals(-1_000, 1_000, places=4, allow_nan=False, allow_infinity=False)
PRICE = st.decimals(0, 1_000, places=4, allow_nan=False, allow_infinity=False)


def a_charge(amount: str = "1", **changes: object) -> Charge:
    """A matched call, unless changed."""
    values: dict[str, object] = {
        "account_id": "acct", "load_id": "load-1", "loaded_at": NOON, "day": FIRST, "destination": "Germany",
        "carrier_destination": "", "direction": "outbound", "rate": None, "match_class": "matched", "state": "open",
        "credit_note": "",
        "currency": "EUR", "legs": 1, "records": 1, "leg_seconds": Decimal(60), "record_seconds": Decimal(60),
        "charged": Decimal(amount), "agreed": Decimal(amount), "priced_legs": 1, "too_much": Decimal(0),
        "too_little": Decimal(0), "customer_price": Decimal(0), "cost_of_priced": Decimal(0),
        "credits": max(-Decimal(amount), Decimal(0)),
    }  # fmt: skip
    return Charge(**(values | changes))  # type: ignore[arg-type]


def a_line(amount: str, destination: str = "", kind: str = "usage", **changes: object) -> InvoiceLine:
    """A line in EUR."""
    line = InvoiceLine(1, kind, destination, None, None, "", None, None, Decimal(amount), "EUR")  # type: ignore[arg-type]
    return replace(line, **changes)


def an_invoice(*lines: InvoiceLine, first: date = FIRST, last: date = LAST, number: str = "R-1") -> Invoice:
    """An invoice of October."""
    return Invoice("acct", "bell", number, first, last, "UTC", None, lines, "", "", "A. Controller", 1, NOON)


def compared(*charges: Charge, invoices: tuple[Invoice, ...] = (), pay: bool = False) -> InvoiceComparison:
    """The comparison of October."""
    return compare_invoices(invoices, charges, first_date=FIRST, last_date=LAST, customers_pay=pay)


def in_eur(comparison: InvoiceComparison) -> CurrencyComparison:
    """The only comparison, which is in EUR."""
    (item,) = comparison.currencies
    assert item.currency == "EUR"
    return item


charges_drawn = st.lists(
    st.builds(
        a_charge,
        amount=MONEY.map(str),
        day=st.dates(date(2026, 9, 20), date(2026, 11, 10)),
        load_id=st.sampled_from(["a", "b", "c"]),
        destination=st.sampled_from(["Germany", "France", ""]),
        match_class=st.sampled_from([item.value for item in MatchClass]),
        state=st.sampled_from(["open", "accepted", "disputed", "credited"]),
        credit_note=st.sampled_from(["", "C-1"]),
        currency=st.sampled_from(["EUR", "USD"]),
        too_much=PRICE,
        too_little=PRICE,
    ),
    max_size=12,
)
lines_drawn = st.lists(
    st.builds(
        a_line,
        amount=MONEY.map(str),
        destination=st.sampled_from(["germany", "FRANCE", "Spain", ""]),
        kind=st.sampled_from(KINDS),
        day=st.sampled_from([None, date(2026, 9, 30), date(2026, 10, 5)]),
        currency=st.sampled_from(["EUR", "USD"]),
    ),
    max_size=6,
)


@given(charges_drawn, lines_drawn)
def test_every_amount_is_in_exactly_one_part(charges: list[Charge], lines: list[InvoiceLine]) -> None:
    lines = [replace(line, amount=-abs(line.amount)) if line.kind == "credit" else line for line in lines]
    for item in compared(*charges, invoices=(an_invoice(*lines),)).currencies:
        claimed = item.invoiced if item.has_invoice else item.parts.charged
        assert item.payable + item.withheld + item.credit_notes == claimed
        invoiced = sum(
            (line.amount for line in lines if line.kind != "tax" and line.currency == item.currency), Decimal(0)
        )
        assert item.invoiced == invoiced


@given(charges_drawn)
def test_every_charge_counts_once_over_periods_that_follow(charges: list[Charge]) -> None:
    periods = [(date(2026, 9, 1), date(2026, 9, 30)), (FIRST, LAST), (date(2026, 11, 1), date(2026, 11, 30))]
    sums = {"EUR": Decimal(0), "USD": Decimal(0)}
    for first, last in periods:
        whole = compare_invoices((), charges, first_date=first, last_date=last, customers_pay=False)
        for item in whole.currencies:
            sums[item.currency] += item.parts.charged
    expected = {unit: sum((c.charged for c in charges if c.currency == unit), Decimal(0)) for unit in sums}
    assert sums == expected


def test_too_much_at_one_destination_does_not_cancel_too_little_at_another() -> None:
    invoice = an_invoice(a_line("12", "Germany"), a_line("8", "France"))
    item = in_eur(compared(a_charge("10"), a_charge("10", destination="France"), invoices=(invoice,)))
    assert (item.invoiced_too_much, item.invoiced_too_little) == (Decimal(2), Decimal(2))
    assert item.payable == Decimal(18)


def test_a_total_is_compared_with_the_sum_of_all_records() -> None:
    item = in_eur(compared(a_charge("10"), a_charge("5", destination="France"), invoices=(an_invoice(a_line("16")),)))
    (row,) = item.rows
    assert (row.invoiced, row.charged, row.too_much) == (Decimal(16), Decimal(15), Decimal(1))


def test_a_destination_is_found_by_our_name_or_by_the_carriers() -> None:
    charges = (
        a_charge("10", destination="+4930"),
        a_charge("5", destination="+3301", carrier_destination="FRANCE FIX"),
    )
    invoice = an_invoice(a_line("10", "+49 30"), a_line("5", "France-Fix"))
    item = in_eur(compared(*charges, invoices=(invoice,)))
    assert {row.name: row.difference for row in item.rows} == {"+49 30": Decimal(0), "France-Fix": Decimal(0)}


def test_disputed_and_undecided_overcharges_are_not_payable() -> None:
    charges = (
        a_charge("10", match_class="cost_mismatch", too_much=Decimal(4), state="disputed"),
        a_charge("10", match_class="cost_mismatch", too_much=Decimal(3)),
        a_charge("10", match_class="cost_mismatch", too_much=Decimal(2), state="accepted"),
        a_charge("10", match_class="unpriced", too_much=Decimal(10)),
    )
    item = in_eur(compared(*charges))
    parts = item.parts
    assert (parts.disputed, parts.undecided, parts.accepted, parts.unpriced) == (4, 3, 2, 10)
    assert item.payable == Decimal(23)


def test_an_unpriced_charge_that_is_not_invoiced_is_not_deducted_twice() -> None:
    unpriced = a_charge("4", match_class="unpriced", destination="+3363", too_much=Decimal(4))
    item = in_eur(compared(a_charge("10"), unpriced, invoices=(an_invoice(a_line("10", "Germany")),)))
    assert (item.payable, item.withheld, item.claimed.unpriced) == (10, 0, 0)
    assert (item.parts.unpriced, item.invoiced_too_little) == (4, 4)


def test_a_credit_on_the_invoice_settles_a_break_decided_as_credited() -> None:
    charge = a_charge("10", match_class="cost_mismatch", too_much=Decimal(4), state="credited")
    item = in_eur(compared(charge, invoices=(an_invoice(a_line("10", "Germany"), a_line("-4", kind="credit")),)))
    assert (item.credits_settled, item.credit_due, item.payable, item.withheld) == (4, 0, 6, 0)


def test_a_credit_note_settles_what_it_credits() -> None:
    charge = a_charge("10", match_class="cost_mismatch", too_much=Decimal(4), state="credited", credit_note="C-1")
    item = in_eur(compared(charge, invoices=(an_invoice(a_line("10", "Germany")),)))
    assert (item.credit_notes, item.credit_due, item.payable, item.withheld) == (4, 0, 6, 0)


def test_a_credit_note_that_is_also_an_invoice_counts_once() -> None:
    charge = a_charge("10", match_class="cost_mismatch", too_much=Decimal(4), state="credited", credit_note="C-1")
    credit = an_invoice(a_line("-4", kind="credit"), number="C-1")
    item = in_eur(compared(charge, invoices=(an_invoice(a_line("10", "Germany")), credit)))
    assert (item.credits_settled, item.credit_notes, item.payable, item.withheld) == (4, 0, 6, 0)


def test_a_credit_that_only_the_records_have_is_missing_on_the_invoice() -> None:
    credit = a_charge("-2", match_class="other_charge", legs=0)
    item = in_eur(compared(a_charge("10"), credit, invoices=(an_invoice(a_line("10", "Germany")),)))
    assert (item.parts.charged, item.invoiced_too_much, item.payable) == (8, 2, 8)


def test_fees_are_compared_with_charges_without_a_call() -> None:
    fee = a_charge("3", match_class="other_charge", legs=0, destination="")
    item = in_eur(
        compared(a_charge("10"), fee, invoices=(an_invoice(a_line("10", "Germany"), a_line("3", kind="fee")),))
    )
    assert {row.name: row.difference for row in item.rows} == {"Germany": 0, FEES: 0}
    assert item.payable == Decimal(13)


def test_tax_is_not_compared() -> None:
    item = in_eur(compared(a_charge("10"), invoices=(an_invoice(a_line("10"), a_line("1.9", kind="tax")),)))
    assert (item.invoiced, item.tax, item.withheld) == (Decimal(10), Decimal("1.9"), 0)


def test_a_call_that_comes_with_the_next_months_file_is_billed_late() -> None:
    september = a_charge("10", load_id="sep", day=date(2026, 9, 30), loaded_at=NOON)
    late = a_charge("2", load_id="oct", day=date(2026, 9, 17), loaded_at=NOON + timedelta(days=30))
    october = a_charge("7", load_id="oct", day=LAST, loaded_at=NOON + timedelta(days=30))
    item = in_eur(compared(september, late, october))
    assert (item.parts.charged, item.late_records, item.late_charged) == (9, 1, 2)
    before = compare_invoices(
        (), [september, late, october], first_date=date(2026, 9, 1), last_date=date(2026, 9, 30), customers_pay=False
    )
    assert (in_eur(before).parts.charged, in_eur(before).later_charged) == (10, 2)


def test_files_loaded_in_the_wrong_order_make_no_call_late() -> None:
    october = a_charge("7", load_id="oct", day=LAST, loaded_at=NOON)
    september = a_charge("10", load_id="sep", day=date(2026, 9, 30), loaded_at=NOON + timedelta(days=1))
    assert in_eur(compared(october, september)).late_records == 0


def test_a_call_over_midnight_in_the_next_days_file_is_not_late() -> None:
    first = a_charge("7", load_id="1", day=FIRST, loaded_at=NOON)
    spilled = a_charge("1", load_id="2", day=FIRST, loaded_at=NOON + timedelta(days=1))
    second = a_charge("5", load_id="2", day=FIRST + timedelta(days=1), loaded_at=NOON + timedelta(days=1))
    assert in_eur(compared(first, spilled, second)).parts.charged == Decimal(13)


def test_lines_with_days_and_rates_are_compared_by_day_and_rate() -> None:
    rate = Decimal("0.02")
    invoice = an_invoice(a_line("10", "Germany", day=FIRST, rate=rate), a_line("4", "Germany", day=LAST, rate=rate))
    item = in_eur(compared(a_charge("10", rate=rate), a_charge("5", rate=rate, day=LAST), invoices=(invoice,)))
    assert [(row.name, row.difference) for row in item.details] == [
        ("Germany, 0.02, 2026-10-31", Decimal(-1)),
        ("Germany, 0.02, 2026-10-01", Decimal(0)),
    ]


def test_the_margin_is_known_only_where_customers_prices_are() -> None:
    charge = a_charge("10", customer_price=Decimal(15), cost_of_priced=Decimal(10))
    assert in_eur(compared(charge, pay=True)).rows[0].margin == Decimal(5)
    assert in_eur(compared(charge, pay=False)).rows[0].margin is None


def test_an_invoice_of_other_days_is_named_and_not_compared() -> None:
    whole = compared(a_charge("10"), invoices=(an_invoice(a_line("5"), first=date(2026, 9, 15)),))
    assert whole.invoices == ()
    assert "invoice R-1 covers 2026-09-15 to 2026-10-31 and is not compared here" in whole.findings


def test_two_invoices_of_the_same_days_are_a_finding() -> None:
    invoices = (an_invoice(a_line("5")), an_invoice(a_line("5"), number="R-2"))
    assert (
        "invoices R-1 and R-2 both bill calls of the same days" in compared(a_charge("10"), invoices=invoices).findings
    )
