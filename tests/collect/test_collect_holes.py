"""Ways in which a collection could lose calls while every light is green."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import stamina

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.switch_dialects import list_dialects, reset_dialects
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import Obstacle, SealRequest, seal_days
from cdr_pipeline.steps.operations.due_nights import due_nights
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.operations.night_page import night_markdown
from cdr_pipeline.steps.operations.night_report import night_report
from cdr_pipeline.steps.run_context import RunContext
from tests.support.commands import run_command
from tests.support.nights import night, playing, require_sound, warehouse

EDGE = datetime(2026, 4, 1, tzinfo=UTC)
# The account's zone is New York: this day lasts until four hours after the edge.
EDGE_DAY = date(2026, 3, 31)


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    """Retries as in life, but without waiting."""
    with stamina.set_testing(testing=True, attempts=5, cap=True):
        yield


def leg(switch: SimulatedSwitch, name: str, began: datetime, seconds: int, *, lag: int = 2) -> dict[str, Any]:
    """A document as the switch of its version files it."""
    ended = began + timedelta(seconds=seconds)
    month = began if switch.dialect.hides_month_edges else ended
    made = replace(switch, stored=None)
    return made.documents(made.accounts[0].account_id, date(2026, 3, 2))[0] | {
        "_id": f"{month:%Y%m}-{name}",
        "call_id": name,
        "timestamp": to_gregorian(ended),
        "pvt_created": to_gregorian(ended) + lag,
        "duration_seconds": seconds,
        "billing_seconds": 0,
    }


def over_the_edge(dialect: SwitchDialect, *faults: str) -> SimulatedSwitch:
    """A switch with six calls over the edge, the longest of nine hours, and some before and after it."""
    made = SimulatedSwitch.build(accounts=1, calls_per_day=40, dialect=dialect, faults=faults)
    legs = [leg(made, f"over-{hours}", EDGE - timedelta(minutes=5), hours * 3600) for hours in (1, 2, 3, 5, 7, 9)]
    legs += [leg(made, f"plain-{n}", EDGE + timedelta(minutes=20 * n), 60) for n in range(-12, 13)]
    return replace(made, stored={made.accounts[0].account_id: legs})


def by(ctx: RunContext, moment: datetime) -> RunContext:
    """The same place at another time."""
    return replace(ctx, clock=lambda: moment)


def names(ctx: RunContext) -> set[str]:
    """Call ids in the warehouse."""
    return {row[0] for row in warehouse(ctx, "SELECT call_id FROM cdr")}


def called(switch: SimulatedSwitch) -> set[str]:
    """Call ids of the switch."""
    return {document["call_id"] for listed in (switch.stored or {}).values() for document in listed}


def command(ctx: RunContext, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command line, by the machine's own clock."""
    settings = ctx.settings
    environment = {
        "CDR_DATA_DIR": str(settings.data_dir),
        "DAGSTER_HOME": str(settings.dagster_home),
        "CDR_WAREHOUSE_URL": settings.warehouse_url.get_secret_value() if settings.warehouse_url else "",
        "CDR_API_URL": settings.api_url or "",
        "CDR_API_TOKEN": settings.api_token.get_secret_value() if settings.api_token else "",
        "COLUMNS": "200",
        **more,
    }
    return run_command(*arguments, environment=environment)


@pytest.mark.fault("R401")
def test_one_timeout_over_a_months_edge_loses_no_call(ctx: RunContext) -> None:
    switch = over_the_edge(SwitchDialect.V2_K43, "edge_timeout")
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url), datetime(2026, 4, 3, tzinfo=UTC))
        for day in (EDGE_DAY, EDGE_DAY + timedelta(days=1)):
            collected, loaded = night(place, day)
            assert (collected.failures, loaded.incomplete) == ((), ())
    assert names(place) == called(switch)
    require_sound(place)


@pytest.mark.fault("R402")
def test_an_edge_window_that_is_not_covered_leaves_the_day_incomplete(ctx: RunContext) -> None:
    switch = over_the_edge(SwitchDialect.V2_K43, "long_edge_timeout")
    account_id = switch.accounts[0].account_id
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url), datetime(2026, 4, 8, tzinfo=UTC))
        collected, loaded = night(place, EDGE_DAY)
        (failure,) = collected.failures
        assert (failure.code, failure.retryable) == ("upstream_window_too_heavy", True)
        assert "may be missing" in failure.message
        assert loaded.incomplete == (account_id,)
        export_days(ExportRequest([EDGE_DAY]), place)
        report = night_report(EDGE_DAY, place)
        assert not report.good
        assert report.incomplete == (account_id,)
        assert "no: 1 window failed" in night_markdown(report)
        assert "upstream_window_too_heavy" in {item.code for item in find_problems(place)}
        (sealed,) = seal_days(SealRequest([EDGE_DAY]), place)
        assert (sealed.outcome, sealed.obstacles) == ("refused", (Obstacle.INCOMPLETE,))
        done = command(place, "collect", "--date", str(EDGE_DAY))
        assert done.returncode == 9
        assert "1 window" in command(place, "status").stdout
    with run_switch(replace(switch, faults=())) as running:
        place = by(playing(ctx, switch, running.url), datetime(2026, 4, 8, tzinfo=UTC))
        collected, loaded = night(place, EDGE_DAY)
        assert (collected.failures, loaded.incomplete) == ((), ())
        night(place, EDGE_DAY + timedelta(days=1))
    assert "upstream_window_too_heavy" not in {item.code for item in find_problems(place)}
    assert names(place) == called(switch)


@pytest.mark.fault("R402")
def test_an_edge_window_may_be_shortened_by_a_setting(ctx: RunContext) -> None:
    switch = over_the_edge(SwitchDialect.V2_K43, "long_edge_timeout")
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url), datetime(2026, 4, 8, tzinfo=UTC))
        night(place, EDGE_DAY)
        shorter = by(playing(ctx, switch, running.url, collect_longest_call_hours=2), place.clock())
        collected, loaded = night(shorter, EDGE_DAY)
    # Covered as planned: calls of up to two hours.
    assert (collected.failures, loaded.incomplete) == ((), ())
    assert {"over-1", "over-2"} <= names(shorter)
    with run_switch(replace(switch, faults=())) as running:
        whole = by(playing(ctx, switch, running.url, collect_longest_call_hours=10), place.clock())
        collected, loaded = night(whole, EDGE_DAY)
    assert (collected.failures, loaded.incomplete) == ((), ())


@pytest.mark.fault("R403")
def test_an_upgrade_of_the_switch_is_noticed_and_edges_are_read_again(ctx: RunContext) -> None:
    switch = over_the_edge(SwitchDialect.V2_K43)
    account_id = switch.accounts[0].account_id
    now = datetime(2026, 4, 20, 12, tzinfo=UTC)
    listed = (switch.stored or {})[account_id]
    plain = [document for document in listed if not document["call_id"].startswith("over-")]
    with run_switch(replace(switch, stored={account_id: plain})) as running:
        place = by(playing(ctx, switch, running.url), now)
        for day in (EDGE_DAY, EDGE_DAY + timedelta(days=1)):
            night(place, day)
        # As a version left it that never looked at the dialect again.
        with place.ledger() as ledger:
            for statement in (
                "UPDATE accounts SET dialect = 'v2_k3', dialect_seen_at = NULL",
                "UPDATE windows SET dialect = 'v2_k3', content_sha256 = NULL",
                f"DELETE FROM windows WHERE starts_at < '{EDGE}' AND ends_at > '{EDGE}'",
            ):
                ledger.connection.execute(statement)
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url), now)
        collected, loaded = night(place, date(2026, 4, 18))
    assert (collected.failures, loaded.incomplete) == ((), ())
    assert names(place) == called(switch)
    (found,) = list_dialects(place)
    assert (found.account_id, found.dialect, found.seen_at, found.outdated_days) == (account_id, "v2_k43", now, 0)


@pytest.mark.fault("R403")
def test_days_that_wait_to_be_read_again_are_not_whole(ctx: RunContext) -> None:
    switch = over_the_edge(SwitchDialect.V2_K43)
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url), datetime(2026, 4, 20, 12, tzinfo=UTC))
        night(place, EDGE_DAY)
        with place.ledger() as ledger:
            ledger.windows.mark_window_outdated(
                switch.accounts[0].account_id,
                EDGE_DAY,
                (EDGE - timedelta(seconds=1), EDGE + timedelta(hours=4)),
                error_code="upstream_window_outdated",
                error_message="read again",
                now=place.clock(),
            )
        broken = {item.code: item for item in find_problems(place)}
        assert "upgraded" in broken["upstream_window_outdated"].what
        assert EDGE_DAY.isoformat() in broken["upstream_window_outdated"].command
        assert not night_report(EDGE_DAY, place).good
        assert list_dialects(place)[0].outdated_days == 1
        assert [item for item in due_nights(place) if item.business_date == EDGE_DAY] == []
        night(place, EDGE_DAY)
    assert list_dialects(place)[0].outdated_days == 0


@pytest.mark.fault("R404")
def test_a_command_shows_the_dialect_and_resets_it(ctx: RunContext) -> None:
    switch = over_the_edge(SwitchDialect.V2_K43)
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url), datetime(2026, 4, 20, 12, tzinfo=UTC))
        night(place, EDGE_DAY)
        shown = command(place, "accounts", "dialect")
        assert "v2_k43" in shown.stdout
        assert "2026-04-20 12:00" in shown.stdout
        assert "asked by the next collection" in command(place, "accounts", "dialect", "--reset").stdout
        assert list_dialects(place)[0].dialect is None
        night(place, EDGE_DAY)
    assert list_dialects(place)[0].dialect == "v2_k43"
    assert reset_dialects(place) == [switch.accounts[0].account_id]


@pytest.mark.fault("R405")
def test_a_configured_dialect_that_is_wrong_fails_and_says_so(ctx: RunContext) -> None:
    switch = over_the_edge(SwitchDialect.V2_K43)
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url, api_dialect="v2_k3"), datetime(2026, 4, 8, tzinfo=UTC))
        collected, loaded = night(place, EDGE_DAY)
    assert collected.failures[0].code == "upstream_dialect"
    assert loaded.incomplete
    (line,) = [item for item in find_problems(place) if item.code == "upstream_dialect"]
    assert line.command.startswith("CDR_API_DIALECT=auto cdr-pipeline nightly")


@pytest.mark.fault("R405")
def test_a_v1_switch_that_becomes_5x_is_collected_on(ctx: RunContext) -> None:
    old, new = over_the_edge(SwitchDialect.SEED_V1), over_the_edge(SwitchDialect.K5)
    moment = datetime(2026, 4, 20, 12, tzinfo=UTC)
    with run_switch(old) as running:
        night(by(playing(ctx, old, running.url), moment), EDGE_DAY - timedelta(days=1))
    with run_switch(new) as running:
        place = by(playing(ctx, new, running.url), moment)
        for day in (EDGE_DAY, EDGE_DAY + timedelta(days=1)):
            collected, loaded = night(place, day)
            assert (collected.failures, loaded.incomplete) == ((), ())
    assert list_dialects(place)[0].dialect == "k5"
    assert called(new) <= names(place)


@pytest.mark.fault("R406")
@pytest.mark.parametrize("dialect", [SwitchDialect.V2_K43, SwitchDialect.K5], ids=str)
def test_calls_of_more_than_a_day_over_an_edge_are_covered_by_setting(ctx: RunContext, dialect: SwitchDialect) -> None:
    made = over_the_edge(dialect)
    legs = (made.stored or {})[made.accounts[0].account_id]
    legs += [
        leg(made, "thirty-hours", EDGE - timedelta(hours=10), 30 * 3600),
        leg(made, "forty-hours", EDGE - timedelta(hours=2), 40 * 3600),
    ]
    days = [EDGE_DAY + timedelta(days=number) for number in range(3)]
    moment = datetime(2026, 4, 20, tzinfo=UTC)
    with run_switch(made) as running:
        place = by(playing(ctx, made, running.url), moment)
        parts = [night(place, day) for day in days]
        assert "forty-hours" not in names(place)
        # One call of more than a day was seen, so others may be missing: the days say so.
        assert {failure.code for collected, _ in parts for failure in collected.failures} == {"upstream_call_too_long"}
        assert any(loaded.incomplete for _, loaded in parts)
        assert "upstream_call_too_long" in {item.code for item in find_problems(place)}
        longer = by(playing(ctx, made, running.url, collect_longest_call_hours=48), moment)
        parts = [night(longer, day) for day in days]
    assert [(collected.failures, loaded.incomplete) for collected, loaded in parts] == [((), ())] * 3
    assert names(place) == called(made)
    assert "upstream_call_too_long" not in {item.code for item in find_problems(place)}


@pytest.mark.fault("R407")
@pytest.mark.parametrize("dialect", [SwitchDialect.SEED_V1, SwitchDialect.V2_K3], ids=str)
def test_a_hangup_in_the_months_last_second_is_collected(ctx: RunContext, dialect: SwitchDialect) -> None:
    made = SimulatedSwitch.build(accounts=1, calls_per_day=40, dialect=dialect)
    legs = [
        leg(made, "last-second", EDGE - timedelta(seconds=61), 60, lag=3),
        leg(made, "late-save", EDGE - timedelta(seconds=70), 60, lag=1800),
    ]
    switch = replace(made, stored={made.accounts[0].account_id: legs})
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url), datetime(2026, 4, 8, tzinfo=UTC))
        collected, loaded = night(place, EDGE_DAY)
    assert (collected.failures, loaded.incomplete) == ((), ())
    assert names(place) == {"last-second", "late-save"}


@pytest.mark.fault("R408")
@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
def test_short_pages_are_read_again_in_every_dialect(ctx: RunContext, dialect: SwitchDialect) -> None:
    switch = over_the_edge(dialect, "short_page")
    with run_switch(switch) as running:
        place = by(playing(ctx, switch, running.url, api_page_size=4), datetime(2026, 4, 8, tzinfo=UTC))
        for day in (EDGE_DAY, EDGE_DAY + timedelta(days=1)):
            collected, loaded = night(place, day)
            assert (collected.failures, loaded.incomplete) == ((), ())
    assert names(place) == called(switch)


@pytest.mark.fault("R409")
def test_earlier_days_are_read_again_and_cost_nothing_when_unchanged(ctx: RunContext) -> None:
    made = SimulatedSwitch.build(accounts=1, calls_per_day=40)
    account_id = made.accounts[0].account_id
    days = [date(2026, 3, 9) + timedelta(days=number) for number in range(3)]
    stored = [dict(item) for day in days for item in made.documents(account_id, day)]
    switch = replace(made, stored={account_id: stored})
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url)
        for day in days[:2]:
            morning = by(place, datetime(day.year, day.month, day.day, 7, tzinfo=UTC) + timedelta(days=1))
            night(morning, day)
            export_days(ExportRequest([day]), morning)
        files = {path: path.stat().st_mtime_ns for path in place.settings.export_dir.rglob(f"*{days[0]}*")}
        landed = set(place.settings.landing_dir.rglob("*.gz"))
        batches = warehouse(place, "SELECT count(*) FROM batches")
        again = by(place, datetime(2026, 3, 11, 8, tzinfo=UTC))
        collected, _ = night(again, days[1])
        (part,) = collected.accounts
        assert part.unchanged == 1
        assert len(set(place.settings.landing_dir.rglob("*.gz")) - landed) == part.windows
        assert warehouse(place, "SELECT count(*) FROM batches")[0][0] == batches[0][0] + part.windows
        export_days(ExportRequest([days[1]]), again)
        assert files
        assert {path: path.stat().st_mtime_ns for path in files} == files


@pytest.mark.fault("R409")
def test_records_that_appear_late_are_found_and_turn_sealed_days_late(ctx: RunContext) -> None:
    made = SimulatedSwitch.build(accounts=1, calls_per_day=40)
    account_id = made.accounts[0].account_id
    first, second = date(2026, 3, 9), date(2026, 3, 10)
    stored = [dict(item) for day in (first, second) for item in made.documents(account_id, day)]
    hidden = next(item for item in stored if from_day(item) == first)
    shown = [item for item in stored if item is not hidden]
    with run_switch(replace(made, stored={account_id: shown})) as running:
        place = by(playing(ctx, made, running.url, seal_after_days=0), datetime(2026, 3, 10, 14, tzinfo=UTC))
        night(place, first)
        export_days(ExportRequest([first]), place)
        (sealed,) = seal_days(SealRequest([first]), place)
        assert sealed.outcome == "sealed"
        assert hidden["call_id"] not in names(place)
    with run_switch(replace(made, stored={account_id: stored})) as running:
        place = by(playing(ctx, made, running.url), datetime(2026, 3, 11, 7, tzinfo=UTC))
        _, loaded = night(place, second)
        assert first in loaded.accounts[0].touched
        (late,) = [day for day in export_days(ExportRequest([first]), place) if day.business_date == first]
    assert hidden["call_id"] in names(place)
    assert late.state == "late_pending"
    require_sound(place)


@pytest.mark.fault("R409")
def test_old_days_of_a_backfill_are_not_read_again(ctx: RunContext) -> None:
    made = SimulatedSwitch.build(accounts=1, calls_per_day=40)
    with run_switch(made) as running:
        place = playing(ctx, made, running.url)
        days = [date(2026, 3, 9), date(2026, 3, 10)]
        night(place, days[0])
        collected = collect_day(CollectRequest(days[1]), place)
    assert collected.accounts[0].unchanged == 0


@pytest.mark.fault("R413")
def test_a_day_of_the_future_is_refused_and_leaves_no_trace(ctx: RunContext) -> None:
    made = SimulatedSwitch.build(accounts=2, calls_per_day=4)
    with run_switch(made) as running:
        place = playing(ctx, made, running.url)
        future = (datetime.now(UTC) + timedelta(days=3)).date()
        for arguments in (("collect", "--date", str(future)), ("nightly", "--date", str(future))):
            done = command(place, *arguments)
            assert done.returncode == 2, done.stderr
            assert "has not begun" in done.stderr or "yesterday" in done.stderr
        collected = collect_day(CollectRequest(future), place)
    assert {failure.code for failure in collected.failures} == {"configuration"}
    for table in ("windows", "days", "collections"):
        assert warehouse(place, f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.fault("R413")
def test_an_incomplete_day_does_not_exit_zero(ctx: RunContext) -> None:
    made = SimulatedSwitch.build(accounts=1, calls_per_day=4)
    with run_switch(made) as running:
        place = playing(ctx, made, running.url)
        today = datetime.now(UTC).date() - timedelta(days=1 if datetime.now(UTC).hour < 5 else 0)
        done = command(place, "collect", "--date", str(today))
    assert done.returncode == 9
    assert "incomplete" in done.stdout


def from_day(document: dict[str, Any]) -> date:
    """The day in New York on which a leg began."""
    began = (
        int(document["timestamp"]) - int(document["duration_seconds"]) - to_gregorian(datetime(1970, 1, 1, tzinfo=UTC))
    )
    return (datetime.fromtimestamp(began, UTC) - timedelta(hours=4)).date()
