"""Whole nights against a switch with faults, by the numbers of the fault list: they end in the truth or say why not."""

import logging
import resource
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
import stamina
from pydantic import SecretStr

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.simulator.faults.catalogue import FAULTS
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from tests.support.nights import DAY, night, playing, records_of, require_sound, truth_of, warehouse

OVERCOME = (
    "drop", "reset", "cut", "drip", "html", "unauthorized", "too_many", "bucket", "short_page", "unavailable",
    "gateway_timeout", "shuffle", "twice", "capitals", "same_key_twice", "html_twice", "more_rows", "edge_timeout",
    "long_edge_timeout", "login_fails", "clock_behind",
)  # fmt: skip
PERMANENT = {"redirect": "upstream_protocol", "loop": "upstream_protocol", "bomb": "upstream_reply_too_large"}
REPORTED = ("broken_text", "foreign_row", "future_row", "no_rows")


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    """Retries as in life, but without waiting."""
    with stamina.set_testing(testing=True, attempts=5, cap=True):
        yield


def faulty(*names: str, **more: Any) -> SimulatedSwitch:
    """A switch with one account and these faults."""
    return SimulatedSwitch.build(**{"calls_per_day": 40, "accounts": 1, "faults": names} | more)


def test_every_fault_of_the_simulator_is_tested_here() -> None:
    assert set(OVERCOME) | set(PERMANENT) | set(REPORTED) == set(FAULTS)


@pytest.mark.parametrize("name", OVERCOME)
def test_what_passes_by_itself_or_can_be_worked_around_ends_in_the_truth(ctx: RunContext, name: str) -> None:
    switch = faulty(name)
    with run_switch(switch) as running:
        place = playing(
            ctx,
            switch,
            running.url,
            api_page_size=9,
            api_key=SecretStr(switch.api_key),
            api_timeout_seconds=1.0 if name == "drip" else 30.0,
        )
        collected, loaded = night(place)
    assert collected.failures == ()
    assert loaded.incomplete == ()
    found = records_of(place)
    assert set(found) == truth_of(switch)
    assert len(found) == len(set(found)) > 20
    require_sound(place)


@pytest.mark.parametrize(("name", "code"), PERMANENT.items())
def test_what_will_not_pass_names_the_account_and_stores_nothing(ctx: RunContext, name: str, code: str) -> None:
    switch = faulty(name)
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url, api_dialect="v2_k43")
        collected, loaded = night(place)
    (failure,) = collected.failures
    assert (failure.account_id, failure.code) == (switch.accounts[0].account_id, code)
    assert loaded.incomplete == (switch.accounts[0].account_id,)
    assert records_of(place) == []
    assert warehouse(place, "SELECT DISTINCT state, error_code FROM windows") == [("failed", code)]


@pytest.mark.fault("A08")
def test_an_account_that_is_gone_is_permanent_and_visible(ctx: RunContext) -> None:
    switch = faulty()
    with run_switch(switch) as running:
        place = playing(ctx, replace(switch, accounts=()), running.url, api_dialect="v2_k43")
        with place.ledger() as ledger:
            ledger.accounts.add(Account("gone"), now=place.clock())
        collected, _ = night(place)
    (failure,) = collected.failures
    assert (failure.code, failure.retryable) == ("upstream_account_not_found", False)
    assert warehouse(place, "SELECT account_id, state FROM windows") == [("gone", "failed")]


@pytest.mark.slow
@pytest.mark.fault("A16")
def test_a_bomb_does_not_fill_the_memory(ctx: RunContext) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    switch = faulty("bomb")
    with run_switch(switch) as running:
        night(playing(ctx, switch, running.url, api_dialect="v2_k43"))
    # 64 MiB are taken, one chunk of the network unpacks to as much again at worst.
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400


@pytest.mark.fault("A18")
def test_a_row_that_is_no_text_is_rejected_alone(ctx: RunContext) -> None:
    switch = faulty("broken_text")
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url)
        _, loaded = night(place)
    assert set(loaded.reject_reasons) == {"invalid_text"}
    assert loaded.counts.rejected == 1
    assert len(truth_of(switch) - set(records_of(place))) <= 1
    assert "\ufffd" in warehouse(place, "SELECT raw FROM rejects")[0][0]


@pytest.mark.fault("A18")
@pytest.mark.parametrize("character", ["\x00", "\x01", "\u2028", "\x7f", "🌙", "\x1b[31m"])
def test_a_nul_rejects_its_row_and_other_odd_characters_are_stored(ctx: RunContext, character: str) -> None:
    made = faulty()
    account = made.accounts[0].account_id
    documents = [dict(document) for document in made.documents(account, DAY)]
    documents[0]["caller_id_name"] = f"a{character}b"
    with run_switch(replace(made, stored={account: documents})) as running:
        place = playing(ctx, made, running.url)
        _, loaded = night(place)
    if character == "\x00":
        assert loaded.reject_reasons == {"nul_character": 1}
    else:
        assert loaded.counts.rejected == 0
        assert warehouse(place, "SELECT caller_id_name FROM cdr WHERE caller_id_name LIKE 'a%b'") == [
            (f"a{character}b",)
        ]


@pytest.mark.fault("A23")
def test_a_row_that_comes_twice_is_a_duplicate_not_a_reject(ctx: RunContext) -> None:
    switch = faulty("twice")
    with run_switch(switch) as running:
        _, loaded = night(playing(ctx, switch, running.url))
    assert loaded.counts.rejected == 0
    assert loaded.counts.duplicate == loaded.counts.inserted > 20


@pytest.mark.fault("A24")
def test_what_is_saved_while_pages_are_read_is_there_after_the_next_night(ctx: RunContext) -> None:
    switch = faulty()
    account = switch.accounts[0].account_id
    documents = sorted(truth_of(switch))
    stored = [dict(document) for day in (DAY, DAY + timedelta(days=1)) for document in switch.documents(account, day)]
    with run_switch(replace(switch, stored={account: stored[::2]})) as running:
        night(playing(ctx, switch, running.url))
    with run_switch(replace(switch, stored={account: stored})) as running:
        place = playing(ctx, switch, running.url)
        night(place)
    assert {row[1] for row in records_of(place)} == {row[1] for row in documents} & {leg["_id"] for leg in stored}


@pytest.mark.fault("A26", "A27")
def test_calls_at_the_edges_are_stored_once_on_the_day_they_began(ctx: RunContext) -> None:
    made = faulty(dialect="v2_k43")
    account = made.accounts[0].account_id
    template = made.documents(account, DAY)[0]
    midnight = datetime(2026, 4, 1, 4, tzinfo=UTC)  # New York's; the first account's zone
    moments = [midnight - timedelta(seconds=1), midnight, datetime(2026, 4, 1, tzinfo=UTC) - timedelta(seconds=1)]
    stored: list[dict[str, Any]] = []
    for number, started in enumerate(moments):
        for seconds in (0, 1, 7200):
            ended = started + timedelta(seconds=seconds)
            call_id = f"edge-{number}-{seconds}"
            stored.append(
                template
                | {
                    "_id": f"{started:%Y%m}-{call_id}",
                    "call_id": call_id,
                    "timestamp": to_gregorian(ended),
                    "duration_seconds": seconds,
                    "billing_seconds": 0,
                    "pvt_created": to_gregorian(ended),
                }
            )
    with run_switch(replace(made, stored={account: stored})) as running:
        place = playing(ctx, made, running.url)
        place = replace(place, clock=lambda: datetime(2026, 5, 1, tzinfo=UTC))
        for day in (date(2026, 3, 31), date(2026, 4, 1)):
            night(place, day)
    found = dict(warehouse(place, "SELECT call_id, business_date FROM cdr"))
    assert len(found) == len(stored)
    assert {name: day for name, day in found.items() if name.startswith("edge-1")} == dict.fromkeys(
        ("edge-1-0", "edge-1-1", "edge-1-7200"), date(2026, 4, 1)
    )
    assert {found["edge-0-7200"], found["edge-2-7200"]} == {date(2026, 3, 31)}


@pytest.mark.fault("A28")
@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
def test_lists_documents_and_money_mean_one_thing(ctx: RunContext, dialect: SwitchDialect) -> None:
    made = faulty(dialect=dialect)
    account = made.accounts[0].account_id
    started = datetime(2026, 3, 3, 3, 30, tzinfo=UTC)  # 22:30 in New York; the call lasts three hours
    leg = next(leg for leg in made.documents(account, DAY) if "rate" in leg["custom_channel_vars"])
    ended = started + timedelta(hours=3)
    document = leg | {
        "timestamp": to_gregorian(ended),
        "pvt_created": to_gregorian(ended) + 2,
        "duration_seconds": 10_800,
        "billing_seconds": 10_790,
        "channel_created_time": int(started.timestamp()) * 1_000_000,
    }
    document["custom_channel_vars"] = leg["custom_channel_vars"] | {
        "rate": "420",
        "rate_increment": "60",
        "rate_minimum": "60",
    }
    document["_id"] = f"202603-{leg['call_id']}"
    with run_switch(replace(made, stored={account: [document]})) as running:
        place = playing(ctx, made, running.url, api_details=True)
        night(place)
    query = "SELECT started_at, ended_at, answered_at, business_date, rate::text, cost::text, cost_currency FROM cdr"
    answered = started + timedelta(seconds=10)
    assert warehouse(place, query) == [
        (started, ended, answered, DAY, "0.04200000", "7.56000000", "USD"),
    ]


@pytest.mark.fault("A32")
def test_a_row_of_another_account_is_rejected_and_alarmed(ctx: RunContext, caplog: pytest.LogCaptureFixture) -> None:
    switch = faulty("foreign_row")
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url)
        with caplog.at_level(logging.ERROR):
            _, loaded = night(place)
    (account,) = loaded.accounts
    assert account.foreign_rows == loaded.counts.rejected == 1
    assert "rows of another account" in caplog.text
    assert warehouse(place, "SELECT count(*) FROM cdr WHERE account_id <> '" + account.account_id + "'") == [(0,)]


@pytest.mark.fault("A33")
def test_a_busy_day_that_comes_back_empty_is_flagged(ctx: RunContext) -> None:
    switch = faulty()
    weekdays = [DAY - timedelta(weeks=number) for number in (2, 1)]
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url)
        verdicts = [night(place, day)[1].accounts[0].volume for day in weekdays]
    assert [volume.verdict for volume in verdicts if volume] == ["unknown", "usual"]
    with run_switch(replace(switch, faults=("no_rows",))) as running:
        _, loaded = night(playing(ctx, switch, running.url))
    volume = loaded.accounts[0].volume
    assert volume is not None
    assert (volume.rows, volume.verdict, volume.suspicious) == (0, "empty", True)
    assert warehouse(place, f"SELECT volume FROM days WHERE business_date = '{DAY}'") == [("empty",)]


@pytest.mark.fault("A37")
def test_a_record_of_the_year_2999_is_quarantined_and_moves_no_watermark(ctx: RunContext) -> None:
    switch = faulty("future_row")
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url)
        _, loaded = night(place)
    assert loaded.reject_reasons == {"time_epoch": 1}
    assert warehouse(place, "SELECT max(complete_through) <= '2026-11-20 12:00Z', max(business_date) FROM days") == [
        (True, DAY + timedelta(days=1))
    ]


@pytest.mark.fault("A38")
@pytest.mark.slow
def test_two_hundred_accounts_of_which_every_tenth_fails(ctx: RunContext) -> None:
    switch = SimulatedSwitch.build(calls_per_day=4, accounts=200)
    broken = frozenset(account.account_id for account in switch.accounts[::10])
    with run_switch(replace(switch, failing=broken)) as running:
        place = playing(ctx, switch, running.url, api_dialect="v2_k43", collect_concurrency=32)
        with stamina.set_testing(testing=True, attempts=2, cap=True):
            collected, loaded = night(place)
    assert {failure.account_id for failure in collected.failures} == broken
    assert set(loaded.incomplete) == broken
    assert sum(account.complete for account in loaded.accounts) == 180
    assert set(records_of(place)) == {row for row in truth_of(switch) if row[0] not in broken}


def test_the_simulated_traffic_is_json_of_the_documented_kind() -> None:
    switch = faulty()
    document = switch.documents(switch.accounts[0].account_id, DAY)[0]
    assert orjson.loads(orjson.dumps(document)) == document
