"""A leg of two records on two days: every change of either, and of their link, reaches both days' files."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cdr_pipeline.core.records.volume import Volume
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.retention.erase_number import EraseRequest, erase_number
from cdr_pipeline.steps.retention.retain_records import retain_records, set_policy
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, CompleteDay
from cdr_pipeline.warehouse.records.links import Link, set_links, withdraw_links
from tests.support.days import ACCOUNT, PERSON, deliver, export, later, seal, state
from tests.support.nights import warehouse

DAY, NEXT = date(2026, 11, 10), date(2026, 11, 11)
MIDNIGHT = datetime(2026, 11, 11, tzinfo=UTC)
LEG = {"record_id": "leg", "business_date": DAY, "started_at": MIDNIGHT - timedelta(seconds=2)}
TWIN = {"record_id": "twin", "business_date": NEXT, "started_at": MIDNIGHT + timedelta(seconds=1)}
CALL = {"call_id": "x"}
EDGE, OVER = date(2026, 8, 31), date(2026, 9, 1)
SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)


def money(amount: str) -> dict[str, Any]:
    return {"cost": Decimal(amount), "cost_currency": "EUR"}


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """An account in UTC whose days around the calls were collected whole."""
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account(ACCOUNT), now=ctx.clock())
        for day in (DAY, NEXT, EDGE, OVER):
            through = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
            complete = CompleteDay(ACCOUNT, day, through, Volume(0, None, "usual"))
            ledger.days.record_collected([complete], now=ctx.clock())
    return ctx


def shown(ctx: RunContext, day: date = DAY, column: str = "cost") -> list[str | None]:
    """A column of the day's newest file."""
    with ctx.ledger() as ledger:
        (line,) = ledger.day_states.lines([ACCOUNT], day, day)
    assert line.path is not None
    return pl.read_csv(ctx.settings.export_dir / line.path, infer_schema=False)[column].to_list()


def export_changed(ctx: RunContext) -> None:
    """Exports some other day, and as every night does, the days that have changed."""
    export_days(ExportRequest([date(2026, 11, 19)], [ACCOUNT]), ctx)


def change(ctx: RunContext, what: str) -> None:
    """Changes one record of the leg, or its link."""
    match what:
        case "cost of the imported record":
            deliver(ctx, TWIN | CALL | money("99.75"), kind="upload")
        case "cost of the API record":
            deliver(ctx, LEG | CALL | money("99.75"))
        case "imported record moves":
            moved = {"business_date": date(2026, 11, 12), "started_at": MIDNIGHT + timedelta(hours=23, minutes=59)}
            deliver(ctx, TWIN | CALL | moved | money("99.75"), kind="upload")
        case "call id ends the link":
            deliver(ctx, TWIN | money("1.25"), kind="upload")
        case "a nearer record takes its place":
            nearer = {"record_id": "nearer", "started_at": MIDNIGHT}
            deliver(ctx, TWIN | nearer | CALL | money("99.75"), kind="upload")
        case _:
            raise AssertionError(what)


CHANGES = {
    "cost of the imported record": ["99.75000000"],
    "cost of the API record": ["99.75000000"],
    "imported record moves": ["99.75000000"],
    "call id ends the link": [None],
    "a nearer record takes its place": ["99.75000000"],
}


@pytest.mark.fault("R201")
@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_a_leg_over_midnight_reaches_the_file_that_shows_it(place: RunContext, what: str) -> None:
    deliver(place, LEG | CALL)
    deliver(place, TWIN | CALL | money("1.25"), kind="upload")
    for day in (DAY, NEXT):
        export(place, day)
    assert shown(place) == ["1.25000000"]
    change(later(place, hours=1), what)
    export_changed(later(place, hours=2))
    assert shown(place) == CHANGES[what]


@pytest.mark.fault("R201")
@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_a_leg_over_midnight_turns_its_sealed_day_late(place: RunContext, what: str) -> None:
    deliver(place, LEG | CALL)
    deliver(place, TWIN | CALL | money("1.25"), kind="upload")
    for day in (DAY, NEXT):
        assert seal(place, day=day).outcome == "sealed"
    change(later(place, hours=1), what)
    assert state(place, DAY) == "late_pending"
    request = RestateRequest("A. Controller", "late file of a carrier", accounts=[ACCOUNT])
    restated = restate_days(request, later(place, hours=2))
    assert [day.outcome for day in restated if day.business_date == DAY] == ["restated"]
    assert shown(place) == CHANGES[what]


@pytest.mark.fault("R201")
def test_a_reconciled_link_and_its_record_change_both_days(place: RunContext) -> None:
    deliver(place, LEG)
    deliver(place, TWIN | money("1.25"), kind="upload")

    def late(moment: int, days: set[date]) -> None:
        assert {day for day in (DAY, NEXT) if state(place, day) == "late_pending"} == days
        now = later(place, hours=moment)
        restate_days(RestateRequest("A. Controller", "late file of a carrier", accounts=[ACCOUNT]), now)

    for day in (DAY, NEXT):
        seal(place, day=day)
    with place.ledger() as ledger:
        set_links(ledger.connection, ACCOUNT, [Link("twin", "leg")], now=later(place, hours=1).clock())
    late(2, {DAY, NEXT})
    deliver(later(place, hours=3), TWIN | money("99.75"), kind="upload")
    late(4, {DAY, NEXT})
    assert shown(place) == ["99.75000000"]
    with place.ledger() as ledger:
        withdraw_links(ledger.connection, ACCOUNT, [Link("twin", "leg")], now=later(place, hours=5).clock())
    late(6, {DAY, NEXT})
    assert (shown(place), shown(place, NEXT)) == ([None], ["99.75000000"])


@pytest.mark.fault("R201")
def test_an_erasure_reaches_the_day_of_a_leg_erased_on_the_other_side(place: RunContext) -> None:
    number = {"caller_id_number": "+4930123456", "caller_e164": "+4930123456"}
    deliver(place, LEG | {"callee_id_number": "+4930999999", "callee_e164": "+4930999999"})

    def erase(digits: str) -> None:
        erase_number(EraseRequest(digits, "A. Controller", "request 17"), place)

    erase("+4930999999")
    deliver(place, TWIN | number, kind="upload")
    with place.ledger() as ledger:
        set_links(ledger.connection, ACCOUNT, [Link("twin", "leg")], now=place.clock())
    export(place, DAY)
    assert shown(place, column="caller_id_number") == ["+4930123456"]
    erase("+4930123456")
    export_changed(later(place, hours=1))
    assert shown(place, column="caller_id_number") == ["+493012****"]


@pytest.mark.fault("R201")
def test_masking_follows_the_day_of_the_leg_not_of_its_imported_record(place: RunContext) -> None:
    deliver(place, LEG | CALL)
    deliver(place, TWIN | CALL | {"caller_id_name": "Someone"}, kind="upload")
    seal(place, day=NEXT)
    export(place, DAY)
    set_policy(ACCOUNT, place, keep_months=None, archive=False, mask_after_days=1, actor="A. Controller")
    # The leg's day is open: its file still shows the name, and the warehouse does too.
    retain_records(place)
    query = "SELECT caller_id_name FROM cdr_merged"
    assert (shown(place, column="caller_id_name"), warehouse(place, query)) == (["Someone"], [("Someone",)])
    seal(place, day=DAY)
    retain_records(place)
    assert warehouse(place, query) == [(None,)]


def removed(ctx: RunContext, *, keep: int) -> None:
    set_policy(ACCOUNT, ctx, keep_months=keep, archive=False, mask_after_days=None, actor="A. Controller")
    assert all(month.outcome == "removed" for month in retain_records(ctx).months)


def over_the_edge(*, twin_first: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """A leg of an API and an imported record on either side of a month's end."""
    before = {"business_date": EDGE, "started_at": SEPTEMBER - timedelta(seconds=2)}
    after = {"business_date": OVER, "started_at": SEPTEMBER + timedelta(seconds=1)}
    leg, twin = (after, before) if twin_first else (before, after)
    return {"record_id": "leg"} | leg | CALL, {"record_id": "twin"} | twin | CALL | money("1.25")


@pytest.mark.fault("R203")
@pytest.mark.parametrize("cost", ["1.25", "99.75"])
def test_a_twin_of_the_next_month_stays_removed_with_its_leg(place: RunContext, cost: str) -> None:
    leg, twin = over_the_edge(twin_first=False)
    deliver(place, leg)
    deliver(place, twin, kind="upload")
    deliver(place, {"record_id": "other", "business_date": OVER, "started_at": SEPTEMBER + timedelta(hours=9)})
    for day in (EDGE, OVER):
        seal(place, PERSON, day)
    removed(place, keep=2)
    assert warehouse(place, "SELECT record_id FROM cdr") == [("other",)]
    deliver(later(place, hours=1), twin | money(cost), kind="upload")
    assert warehouse(place, "SELECT record_id FROM cdr") == [("other",)]
    assert warehouse(place, "SELECT reason, raw FROM rejects") == [("month_removed", "twin")]
    assert state(place, OVER) == "sealed"
    # The source numbers its records from the beginning every month: another call is no removed record.
    again = {"record_id": "twin", "business_date": date(2026, 9, 3), "started_at": SEPTEMBER + timedelta(days=2)}
    deliver(later(place, hours=2), again, kind="upload")
    assert warehouse(place, "SELECT record_id FROM cdr ORDER BY 1") == [("other",), ("twin",)]


@pytest.mark.fault("R203")
def test_a_twin_of_a_removed_month_changes_with_its_leg_of_a_kept_month(place: RunContext) -> None:
    leg, twin = over_the_edge(twin_first=True)
    deliver(place, leg)
    deliver(place, twin, kind="upload")
    for day in (EDGE, OVER):
        seal(place, PERSON, day)
    removed(place, keep=2)
    assert warehouse(place, "SELECT month FROM removed_months") == [(date(2026, 8, 1),)]
    deliver(later(place, hours=1), twin | money("99.75"), kind="upload")
    assert warehouse(place, "SELECT origin, cost FROM cdr_merged") == [("api+imported", Decimal("99.75"))]
    # The removed month has no legs left to restate.
    assert (state(place, EDGE), state(place, OVER)) == ("sealed", "late_pending")


def late_rows(ctx: RunContext, day: date = DAY) -> tuple[str, int | None]:
    """State and late rows of a day, as ``days list`` shows them."""
    with ctx.ledger() as ledger:
        (line,) = ledger.day_states.lines([ACCOUNT], day, day)
    return line.state, line.late_rows


def test_a_change_of_the_other_days_record_counts_as_a_late_row(place: RunContext) -> None:
    deliver(place, LEG | CALL)
    seal(place, PERSON, DAY)
    deliver(later(place, hours=1), TWIN | CALL | money("1.25"), kind="upload")
    assert late_rows(place) == ("late_pending", 1)


def test_a_record_that_joins_the_leg_of_another_day_counts_as_late(place: RunContext) -> None:
    deliver(place, TWIN | CALL, kind="upload")
    seal(place, PERSON, NEXT)
    deliver(later(place, hours=1), LEG | CALL)
    assert late_rows(place, NEXT) == ("late_pending", 1)


def test_a_record_that_moves_to_another_day_counts_as_a_late_row(place: RunContext) -> None:
    deliver(place, LEG)
    seal(place, PERSON, DAY)
    deliver(later(place, hours=1), LEG | {"business_date": NEXT, "started_at": MIDNIGHT})
    assert late_rows(place) == ("late_pending", 1)


def test_a_day_late_by_a_removed_link_has_an_unknown_count(place: RunContext) -> None:
    deliver(place, LEG)
    deliver(place, TWIN, kind="upload")
    links = [Link("twin", "leg")]
    with place.ledger() as ledger:
        set_links(ledger.connection, ACCOUNT, links, now=place.clock())
    seal(place, PERSON, DAY)
    with place.ledger() as ledger:
        withdraw_links(ledger.connection, ACCOUNT, links, now=place.clock() + timedelta(hours=1))
    assert late_rows(place) == ("late_pending", None)


@pytest.mark.fault("R203")
def test_the_first_twin_of_a_removed_leg_is_rejected(place: RunContext) -> None:
    leg, twin = over_the_edge(twin_first=False)
    deliver(place, leg)
    for day in (EDGE, OVER):
        seal(place, PERSON, day)
    removed(place, keep=2)
    deliver(later(place, hours=1), twin, kind="upload")
    assert warehouse(place, "SELECT reason, raw FROM rejects") == [("month_removed", "twin")]
    assert warehouse(place, "SELECT count(*) FROM cdr") == [(0,)]


@pytest.mark.fault("R203")
def test_a_new_call_next_to_a_removed_month_is_loaded(place: RunContext) -> None:
    leg, twin = over_the_edge(twin_first=False)
    deliver(place, leg)
    for day in (EDGE, OVER):
        seal(place, PERSON, day)
    removed(place, keep=2)
    days_later = {"started_at": SEPTEMBER + timedelta(hours=30), "business_date": date(2026, 9, 2)}
    deliver(
        later(place, hours=1),
        twin | {"record_id": "no call id", "call_id": None},
        twin | {"record_id": "other call", "call_id": "y"},
        twin | {"record_id": "same id, days later"} | days_later,
        kind="upload",
    )
    assert warehouse(place, "SELECT count(*) FROM cdr") == [(3,)]
    assert warehouse(place, "SELECT count(*) FROM rejects") == [(0,)]


def test_a_twin_of_a_stored_leg_with_the_same_call_id_is_loaded(place: RunContext) -> None:
    leg, twin = over_the_edge(twin_first=False)
    second = {"record_id": "second", "business_date": OVER, "started_at": SEPTEMBER + timedelta(seconds=5)}
    deliver(place, leg, leg | second)
    for day in (EDGE, OVER):
        seal(place, PERSON, day)
    removed(place, keep=2)
    deliver(later(place, hours=1), twin, kind="upload")
    assert warehouse(place, "SELECT origin, record_id FROM cdr_merged") == [("api+imported", "second")]
