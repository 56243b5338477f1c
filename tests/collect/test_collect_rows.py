"""Nights whose pages or rows are odd, by the numbers of the fault list."""

import json
import resource
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stamina
from pydantic import ValidationError

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.steps.collect.load_day import LoadedDay
from cdr_pipeline.steps.run_context import RunContext
from tests.support.nights import DAY, night, playing, records_of, require_sound, truth_of, warehouse
from tests.support.scripted_server import Reply, scripted_server

COLUMNS = "record_id, started_at, ended_at, duration_seconds, billing_seconds, caller_id_name, cost, extra"


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    """Retries as in life, but without waiting."""
    with stamina.set_testing(testing=True, attempts=3, cap=True):
        yield


def one_account(**more: Any) -> SimulatedSwitch:
    return SimulatedSwitch.build(**{"calls_per_day": 40, "accounts": 1} | more)


def changed(made: SimulatedSwitch, *changes: dict[str, Any]) -> SimulatedSwitch:
    """The switch with the first legs of the day changed, and the rest of the day as it was."""
    account = made.accounts[0].account_id
    legs = made.documents(account, DAY)
    first = [leg | change for leg, change in zip(legs, changes, strict=False)]
    return replace(made, stored={account: first + legs[len(first) :]})


def night_of(ctx: RunContext, switch: SimulatedSwitch) -> LoadedDay:
    with run_switch(switch) as running:
        collected, loaded = night(playing(ctx, switch, running.url, api_dialect=switch.dialect.value))
    assert collected.failures == ()
    require_sound(ctx)
    return loaded


@pytest.mark.fault("A12")
@pytest.mark.parametrize("url", ["http://switch.example", "http://10.0.0.5:8000", "http://127.0.0.1.example"])
def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ValidationError, match="must start with https"):
        Settings(api_url=url, api_token="CANARY_TOK_0123456789")  # type: ignore[arg-type]


@pytest.mark.fault("A17")
def test_an_object_of_half_a_gigabyte_is_refused_in_bounded_memory(ctx: RunContext) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    switch = one_account()
    # As large as is promised, and cut where the client has long stopped reading.
    body = b'{"data":[{"id":"' + b"a" * (80 * 1024**2)
    reply = Reply(body, 200, {"Content-Type": "application/json"}, length=500 * 1024**2)
    with scripted_server(reply) as server:
        place = playing(ctx, switch, server.url, api_dialect="v2_k43")
        collected, _ = night(place)
    (failure,) = collected.failures
    assert (failure.code, failure.retryable) == ("upstream_reply_too_large", False)
    # The body of the test itself, and the 64 MiB that are taken.
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400


@pytest.mark.fault("A19")
def test_a_page_that_says_a_key_twice_is_asked_for_again(ctx: RunContext) -> None:
    switch = one_account(faults=("same_key_twice",))
    loaded = night_of(ctx, switch)
    assert loaded.counts.rejected == 0
    assert set(records_of(ctx)) == truth_of(switch)


@pytest.mark.fault("A25")
def test_the_order_of_rows_changes_nothing(ctx: RunContext) -> None:
    made = one_account()
    account = made.accounts[0].account_id
    night_of(ctx, made)
    first = warehouse(ctx, f"SELECT {COLUMNS} FROM cdr ORDER BY record_id")
    assert len(first) > 20
    backwards = replace(made, stored={account: made.documents(account, DAY)[::-1]})
    for other in (replace(made, faults=("shuffle",)), replace(backwards, faults=("shuffle",))):
        loaded = night_of(ctx, other)
        assert loaded.counts.merged == 0
        assert loaded.counts.unchanged > 20
        assert warehouse(ctx, f"SELECT {COLUMNS} FROM cdr ORDER BY record_id") == first


@pytest.mark.fault("A26")
@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
def test_a_record_saved_in_an_edge_second_belongs_to_one_window(ctx: RunContext, dialect: SwitchDialect) -> None:
    made = one_account(dialect=dialect)
    edge = datetime(2026, 4, 1, tzinfo=UTC)  # a month's end in UTC, in the middle of the account's day
    saves = [edge + timedelta(seconds=number) for number in (-2, -1, 0, 1)]
    template = made.documents(made.accounts[0].account_id, DAY)[0]
    legs = [
        template
        | {"_id": f"{saved:%Y%m}-edge-{number}", "call_id": f"edge-{number}", "timestamp": to_gregorian(saved)}
        | {"pvt_created": to_gregorian(saved), "duration_seconds": 0, "billing_seconds": 0}
        for number, saved in enumerate(saves)
    ]
    switch = replace(made, stored={made.accounts[0].account_id: legs})
    with run_switch(switch) as running:
        place = replace(playing(ctx, switch, running.url), clock=lambda: datetime(2026, 5, 1, tzinfo=UTC))
        _, loaded = night(place, (edge - timedelta(days=1)).date())
    assert loaded.counts.inserted == 4
    # The window across the month's edge brings them once more, on purpose.
    assert loaded.counts.read - loaded.counts.inserted == 4
    assert len(warehouse(ctx, "SELECT 1 FROM cdr")) == 4


@pytest.mark.fault("A27")
@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
def test_a_call_over_a_months_edge_is_stored_once_on_the_day_it_began(ctx: RunContext, dialect: SwitchDialect) -> None:
    made = one_account(dialect=dialect)
    began, ended = datetime(2026, 3, 31, 23, 50, tzinfo=UTC), datetime(2026, 4, 1, 0, 40, tzinfo=UTC)
    filed = began if dialect.hides_month_edges else ended
    leg = made.documents(made.accounts[0].account_id, DAY)[0] | {
        "_id": f"{filed:%Y%m}-over-the-edge",
        "timestamp": to_gregorian(ended),
        "pvt_created": to_gregorian(ended),
        "duration_seconds": 3000,
        "billing_seconds": 2990,
    }
    switch = replace(made, stored={made.accounts[0].account_id: [leg]})
    with run_switch(switch) as running:
        place = replace(playing(ctx, switch, running.url), clock=lambda: datetime(2026, 5, 1, tzinfo=UTC))
        for day in (began.date(), ended.date()):
            night(place, day)
    assert warehouse(ctx, "SELECT record_id, business_date, started_at FROM cdr") == [(leg["_id"], began.date(), began)]
    require_sound(ctx)


@pytest.mark.fault("A29")
@pytest.mark.parametrize("dialect", [SwitchDialect.V2_K3, SwitchDialect.V2_K43], ids=["numbers in text", "numbers"])
def test_what_is_missing_stays_missing_and_harms_no_other_row(ctx: RunContext, dialect: SwitchDialect) -> None:
    made = one_account(dialect=dialect)
    gone = made.documents(made.accounts[0].account_id, DAY)[0]
    empty = {"billing_seconds": None, "caller_id_name": "", "hangup_cause": ""}
    night_of(ctx, changed(made, empty))
    row = warehouse(
        ctx,
        "SELECT billing_seconds, caller_id_name, hangup_cause, duration_seconds::int FROM cdr"
        f" WHERE record_id = '{gone['_id']}'",
    )
    assert row == [(None, None, None, gone["duration_seconds"])]
    others = {row for row in truth_of(changed(made)) if row[1] != gone["_id"]}
    assert {row for row in records_of(ctx) if row[1] != gone["_id"]} == others


@pytest.mark.fault("A30")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"duration_seconds": -5, "billing_seconds": 0}, "out_of_range"),
        ({"billing_seconds": -1}, "out_of_range"),
        ({"duration_seconds": 10, "billing_seconds": 900}, "billing_exceeds_duration"),
        ({"duration_seconds": 10, "billing_seconds": 10, "ringing_seconds": None}, None),
    ],
)
def test_odd_durations_are_stored_or_rejected_by_rule(
    ctx: RunContext, change: dict[str, Any], reason: str | None
) -> None:
    loaded = night_of(ctx, changed(one_account(), change))
    assert loaded.reject_reasons == ({reason: 1} if reason else {})
    assert loaded.counts.inserted > 20


@pytest.mark.fault("A31")
@pytest.mark.parametrize(("ticks", "accepted"), [(1_772_443_800, True), (5_000_000, False), (1, False)])
def test_a_time_is_of_a_known_epoch_or_its_row_is_rejected(ctx: RunContext, ticks: int, accepted: bool) -> None:
    made = one_account()
    account = made.accounts[0].account_id
    leg = made.documents(account, DAY)[0] | {"timestamp": ticks, "duration_seconds": 0, "billing_seconds": 0}
    loaded = night_of(ctx, replace(made, stored={account: [leg]}))
    assert loaded.reject_reasons == ({} if accepted else {"time_epoch": 1})
    years = {row[0] for row in warehouse(ctx, "SELECT extract(year FROM started_at)::int FROM cdr")}
    assert years == ({2026} if accepted else set())


def test_the_rejected_rows_of_a_night_are_kept_with_their_raw_text(ctx: RunContext) -> None:
    loaded = night_of(ctx, changed(one_account(), {"billing_seconds": -1}))
    assert loaded.counts.rejected == 1
    ((raw,),) = warehouse(ctx, "SELECT raw FROM rejects")
    assert json.loads(raw)["billing_seconds"] == -1
