"""Links after a reconciliation depend on the records alone, whatever happened to them before."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdr_pipeline.steps.reconciliation.reconcile_day import ReconcileRequest, reconcile_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.carriers import drop
from tests.support.examples import examples
from tests.support.nights import warehouse
from tests.support.records import rows

DAY, NEXT = date(2026, 3, 2), date(2026, 3, 3)
STARTS = [
    datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 3, 2, 8, 3, tzinfo=UTC),
    datetime(2026, 3, 2, 23, 59, 58, tzinfo=UTC), datetime(2026, 3, 3, 9, tzinfo=UTC),
]  # fmt: skip
HEADER = "id,call_id,caller,callee,start_time,answer_time,duration_seconds,billing_seconds,cost,currency,carrier"
Line = tuple[str, int, str, int, str]
_fillers = count()


def number(index: int) -> str:
    return f"+44770090{index:04d}"


def leg(ctx: RunContext, account: str, index: int, call_id: str) -> None:
    """The switch delivers a leg."""
    frame = rows(
        {
            "account_id": account, "record_id": f"a{index}", "call_id": call_id or None, "started_at": STARTS[index],
            "business_date": STARTS[index].date(), "call_direction": "outbound", "answered_at": STARTS[index],
            "answered": True, "duration_seconds": Decimal(60), "billing_seconds": Decimal(60), "cost": Decimal("0.1"),
            "cost_currency": "USD", "callee_id_number": number(index), "callee_e164": number(index),
        }
    )  # fmt: skip
    header = BatchHeader(account, uuid4(), "window", f"w-{uuid4()}", now=ctx.clock(), business_date=DAY)
    with ctx.ledger() as ledger, batch_load(ledger.connection, header) as load:
        load.stage(frame)
        load.finish(read=1)


def imported(ctx: RunContext, account: str, line: Line, *, callee: str | None = None) -> None:
    """A carrier delivers a record; a call long before makes the file another one each time."""
    name, index, call_id, seconds, carrier = line
    filler = next(_fillers)
    start = STARTS[index] + timedelta(seconds=3)
    before = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=filler)
    records = [
        (name, call_id, callee or number(index), start, seconds),
        (f"filler{filler}", "", number(9999), before, 60),
    ]
    lines = [
        f"{id_},{call},+442079460001,{called},{begins:%Y-%m-%dT%H:%M:%SZ},,{length},{length},0.10,USD,{carrier}"
        for id_, call, called, begins, length in records
    ]
    drop(ctx, account, "\n".join([HEADER, *lines]) + "\n", name=f"{filler}.csv")


def reconcile(ctx: RunContext, account: str) -> None:
    for day in (DAY, NEXT):
        assert reconcile_day(ReconcileRequest(day, [account]), ctx).failures == ()


def links(ctx: RunContext, account: str) -> list[tuple[str, ...]]:
    found = warehouse(
        ctx,
        "SELECT imported_record_id, api_record_id, basis, imported_business_date, api_business_date FROM cdr_links"
        f" WHERE account_id = '{account}' ORDER BY 1",
    )
    return [tuple(map(str, row)) for row in found]


def known(ctx: RunContext, *accounts: str) -> None:
    with connect(ctx.url) as connection:
        connection.execute("TRUNCATE cdr, cdr_keys, cdr_links, cdr_history, batches, uploads, days, reconciliations")
        connection.execute("TRUNCATE reconciled_calls, accounts")
    with ctx.ledger() as ledger:
        for account in accounts:
            ledger.accounts.add(Account(account), now=ctx.clock())


LEG = st.tuples(st.just("leg"), st.integers(0, 3), st.sampled_from(["", "x", "y"]))
RECORD = st.tuples(
    st.sampled_from(["i0", "i1", "i2", "i3"]),
    st.integers(0, 3),
    st.sampled_from(["", "", "x", "y"]),
    st.sampled_from([60, 61]),
    st.sampled_from(["bell", "bell", "telco"]),
).filter(lambda line: line[1] == int(line[0][1]))
STEP = st.one_of(LEG, RECORD.map(lambda line: ("record", line)), st.just(("reconcile",)))


@pytest.mark.slow
@pytest.mark.fault("R202")
@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.lists(STEP, min_size=3, max_size=9))
def test_links_are_those_of_a_fresh_load_and_reconciliation(ctx: RunContext, path: list[tuple[object, ...]]) -> None:
    known(ctx, "path", "fresh")
    legs: dict[int, str] = dict.fromkeys(range(4), "")
    lines: dict[str, Line] = {f"i{index}": (f"i{index}", index, "", 60, "bell") for index in range(4)}
    first: list[tuple[object, ...]] = [("leg", index, "") for index in legs]
    first += [("record", line) for line in lines.values()]
    for step in [*first, ("reconcile",), *path]:
        match step:
            case ("leg", int(index), str(call_id)):
                legs[index] = call_id
                leg(ctx, "path", index, call_id)
            case ("record", line):
                lines[line[0]] = line  # type: ignore[index]
                imported(ctx, "path", line)  # type: ignore[arg-type]
            case _:
                reconcile(ctx, "path")
    reconcile(ctx, "path")
    for index, call_id in legs.items():
        leg(ctx, "fresh", index, call_id)
    for line in lines.values():
        imported(ctx, "fresh", line)
    reconcile(ctx, "fresh")
    assert links(ctx, "path") == links(ctx, "fresh")


@pytest.mark.fault("R202")
@pytest.mark.parametrize("between", [False, True], ids=["at once", "reconciled in between"])
@pytest.mark.parametrize("thief", ["own call id", "call id of another carrier's record"])
def test_a_reconciled_link_that_a_call_id_displaced_comes_back(ctx: RunContext, *, between: bool, thief: str) -> None:
    known(ctx, "acct")
    for index in range(4):
        leg(ctx, "acct", index, "x" if index == 3 else "y" if index == 0 else "")
        imported(ctx, "acct", (f"i{index}", index, "", 60, "bell"))
    reconcile(ctx, "acct")
    before = links(ctx, "acct")
    assert [row[:3] for row in before] == [(f"generic:id:i{index}", f"a{index}", "reconciled") for index in range(4)]
    own = thief == "own call id"
    line, callee = (("i3", 3, "x", 60, "bell"), None) if own else (("other", 0, "y", 60, "telco"), number(77))
    imported(ctx, "acct", line, callee=callee)
    assert links(ctx, "acct") != before
    if between:
        reconcile(ctx, "acct")
    imported(ctx, "acct", (line[0], line[1], "", 60, line[4]), callee=callee)
    reconcile(ctx, "acct")
    assert links(ctx, "acct") == before
    legs = 4 if own else 5
    assert warehouse(ctx, f"SELECT count(*) FROM cdr_merged WHERE business_date BETWEEN '{DAY}' AND '{NEXT}'") == [
        (legs,)
    ]
