"""Calls of which the carrier has several records: all are linked to their call, and their money counts once."""

from datetime import timedelta
from decimal import Decimal

from psycopg.rows import dict_row

from cdr_pipeline.core.records.document import document_of
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.statements import statement
from tests.support.nights import warehouse
from tests.support.product_state import unsettled
from tests.support.two_sides import deliver, legs, line, number, one, starts


def differences(ctx: RunContext) -> list[str]:
    """Links, and legs of the merged view, that the rules in core do not give."""
    with ctx.ledger() as ledger:
        return [text for text in unsettled(ledger.connection) if "link" in text or "leg" in text or "merged" in text]


def found(ctx: RunContext, record_id: str) -> tuple[str, list[str]]:
    """The leg that a record is shown in, and the further records of its call."""
    with ctx.ledger() as ledger, ledger.connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement("records/record"), {"account_id": "acct", "record_id": record_id})
        row = cursor.fetchone()
    assert row is not None
    return row["record_id"], document_of(row)["cdr_pipeline"]["further_record_ids"]


def test_all_records_of_a_call_in_parts_are_linked_to_it(place: RunContext) -> None:
    legs(place, starts(40), cost="0", last={"record_id": "long", "billing_seconds": Decimal(3_900)})
    begins = starts(40)[39]
    parts = [
        line(39, begins + timedelta(seconds=offset), seconds=seconds, cost=cost, id_=f"p{offset}")
        for offset, seconds, cost in ((0, 1_800, "0.30"), (1_800, 1_800, "0.30"), (3_600, 300, "0.05"))
    ]
    deliver(place, *(line(i, start) for i, start in enumerate(starts(39))), *parts)
    one(place)
    shown = "SELECT record_id, linked_record_id, cost FROM cdr_merged WHERE callee_id_number = '{}'"
    assert warehouse(place, "SELECT count(*), count(*) FILTER (WHERE part_no > 0) FROM cdr_links") == [(42, 2)]
    assert warehouse(place, shown.format(number(39))) == [("long", "generic:id:p0", Decimal("0.65"))]
    assert warehouse(place, "SELECT count(*) FROM cdr_merged") == [(40,)]
    assert differences(place) == []
    assert found(place, "generic:id:p3600") == ("long", ["generic:id:p1800", "generic:id:p3600"])
    deliver(place, parts[2].replace("0.05", "0.06"), name="corrected.csv")
    assert warehouse(place, shown.format(number(39))) == [("long", "generic:id:p0", Decimal("0.66"))]
    one(place)
    assert warehouse(place, shown.format(number(39))) == [("long", "generic:id:p0", Decimal("0.66"))]
    legs(place, starts(40), last={"record_id": "long", "billing_seconds": Decimal(1_800)})
    one(place)
    assert warehouse(place, "SELECT count(*) FROM cdr_links WHERE part_no > 0") == [(0,)]
    assert warehouse(place, "SELECT count(*) FROM cdr_merged") == [(42,)]


def test_a_charge_with_its_credit_and_rebill_is_one_leg(place: RunContext) -> None:
    legs(place, starts(40), cost="0")
    charges = [
        line(0, starts(1)[0], cost=cost, id_=id_) for id_, cost in (("a", "0.60"), ("b", "-0.60"), ("c", "0.10"))
    ]
    deliver(place, *charges, *(line(i + 1, start) for i, start in enumerate(starts(40)[1:])))
    assert one(place).light == "red"
    shown = f"SELECT linked_record_id, cost FROM cdr_merged WHERE callee_id_number = '{number(0)}'"
    assert warehouse(place, shown) == [("generic:id:c", Decimal("0.10"))]


def test_a_break_of_a_call_in_parts_has_the_length_and_amount_of_all(place: RunContext) -> None:
    legs(place, starts(40), last={"billing_seconds": Decimal(3_600), "cost": Decimal("0.60")})
    begins = starts(40)[39]
    parts = [line(39, begins + timedelta(minutes=30 * n), seconds=1_800, cost="0.50", id_=f"p{n}") for n in (0, 1)]
    deliver(place, *(line(i, start) for i, start in enumerate(starts(39))), *parts)
    one(place)
    (item,) = list_breaks(BreakFilter(), place)
    assert (item.carrier_amount, item.carrier_seconds, item.exposure) == (Decimal(1), Decimal(3_600), Decimal("0.4"))
    assert str(item.detail).endswith("2 records of one call")
