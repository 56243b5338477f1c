"""Nights of a year: calls over midnight, month and clock changes, hundreds saved within a second."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cdr_pipeline.core.time.timestamps import from_gregorian, to_gregorian
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.steps.run_context import RunContext
from tests.support.nights import night, playing, require_sound, warehouse

FIRST, DAYS = date(2025, 10, 15), 365
ZONE = "America/New_York"
ZONE_OFFSETS_CHANGE = (datetime(2025, 11, 2, 6, tzinfo=UTC), datetime(2026, 3, 8, 7, tzinfo=UTC))
# The account's own midnights: around the days of 25 and 23 hours, at the year's end, on an ordinary day.
MIDNIGHTS = (
    date(2025, 11, 2),
    date(2025, 11, 3),
    date(2026, 3, 8),
    date(2026, 3, 9),
    date(2026, 1, 1),
    date(2026, 5, 12),
)
# In the middle of a day, and in the last second of a month.
CROWDED_SECONDS = (datetime(2026, 1, 20, 15, tzinfo=UTC), datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
EDGES = (
    *(datetime(2025 + (9 + n) // 12, (9 + n) % 12 + 1, 1, tzinfo=UTC) for n in range(1, 12)),
    *(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)).astimezone(UTC) for day in MIDNIGHTS),
    *ZONE_OFFSETS_CHANGE,
)
WHOLE_YEAR = tuple(FIRST + timedelta(days=number) for number in range(DAYS + 1))
# What begins at an edge has begun up to a day before it and is saved up to a day after it.
EVENTFUL_DAYS = tuple(
    sorted(
        {moment.date() + timedelta(days=number) for moment in (*EDGES, *CROWDED_SECONDS) for number in (-2, -1, 0, 1)}
    )
)


def documents_of(switch: SimulatedSwitch, days: Collection[date]) -> list[dict[str, Any]]:
    """A few calls a day, and crowds where it hurts: around midnights of months, clock changes, one single second."""
    account = switch.accounts[0].account_id
    # Calls of a day's end are saved on the next.
    found = [leg for day in days if day + timedelta(days=1) in days for leg in switch.documents(account, day)]
    template = found[0]
    for edge in EDGES:
        for number in range(12):
            began = edge - timedelta(seconds=(number - 3) * 40)
            found.append(_leg(template, switch, began, 1 + number * 600, f"edge-{edge:%Y%m%d%H}-{number}"))
            # Ended in the last second before the edge, saved after it.
            ended = edge - timedelta(seconds=1 + number)
            found.append(
                _leg(template, switch, ended, 1 if number else 0, f"late-{edge:%Y%m%d%H}-{number}", 30 + number)
            )
    for crowded in CROWDED_SECONDS:
        for number in range(300):
            seconds = number % 50
            began = crowded - timedelta(seconds=seconds)
            found.append(_leg(template, switch, began, seconds, f"crowd-{crowded:%d}-{number}"))
    return found


def _leg(
    template: dict[str, Any], switch: SimulatedSwitch, began: datetime, seconds: int, call_id: str, lag: int = 0
) -> dict[str, Any]:
    ended = began + timedelta(seconds=seconds)
    saved = ended + timedelta(seconds=lag)
    month = began if switch.dialect.hides_month_edges else ended
    return template | {
        "_id": f"{month:%Y%m}-{call_id}",
        "call_id": call_id,
        "timestamp": to_gregorian(ended),
        "pvt_created": to_gregorian(saved),
        "duration_seconds": seconds,
        "billing_seconds": seconds,
    }


def play_nights(ctx: RunContext, dialect: SwitchDialect, days: Collection[date]) -> None:
    """The nights of these days, and then record by record what must be in the warehouse."""
    made = SimulatedSwitch.build(accounts=1, calls_per_day=3, dialect=dialect)
    account = made.accounts[0]
    assert account.time_zone == ZONE
    documents = documents_of(made, days)
    with run_switch(replace(made, stored={account.account_id: documents})) as running:
        place = playing(ctx, made, running.url, api_page_size=60, api_dialect=dialect.value)
        for day in days:
            morning = datetime(day.year, day.month, day.day, 7, 30, tzinfo=UTC) + timedelta(days=1)
            collected, loaded = night(replace(place, clock=lambda now=morning: now), day)
            assert collected.failures == ()
            assert loaded.incomplete == ()
    truth = {
        leg["_id"]: (
            from_gregorian(int(leg["timestamp"]) - int(leg["duration_seconds"])),
            int(leg["duration_seconds"]),
        )
        for leg in documents
    }
    found = warehouse(place, "SELECT record_id, started_at, duration_seconds::int FROM cdr")
    assert {record_id: (started, seconds) for record_id, started, seconds in found} == truth
    assert len(found) == len(truth)
    local_date = f"(started_at AT TIME ZONE '{ZONE}')::date"
    misdated = warehouse(place, f"SELECT count(*) FROM cdr WHERE business_date <> {local_date}")
    assert misdated == [(0,)]
    require_sound(place)
