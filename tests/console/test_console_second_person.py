"""Seals and restatements above a limit need a second approver."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest

from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.steps.days.second_person import needs_second_person
from tests.support.console import DAY, Person, ServedConsole, visible_text
from tests.support.serving import listening, store

PAGE = f"/days/self/{DAY}"


@pytest.fixture(scope="module")
def strict_console(shared_console: ServedConsole) -> Iterator[ServedConsole]:
    """The console with a second person for every override and restatement; its red day has 1.20 USD undecided."""
    limits = {"second_person_amount": Decimal("1.20"), "second_person_rows": 1}
    ticks = count()
    ctx = replace(
        shared_console.ctx,
        settings=shared_console.ctx.settings.model_copy(update=limits),
        clock=lambda: datetime(2026, 3, 10, 12, tzinfo=UTC) + timedelta(milliseconds=next(ticks)),
    )
    with listening(ServedApp(ctx)) as url, closing(ServedConsole(url, ctx)) as served:
        yield served


def named(console: ServedConsole, role: str, account_id: str | None = None) -> Person:
    """A signed-in person who has opened the day."""
    person = console.person(role, account_id)
    person.get(PAGE)
    return person


def day_state(console: ServedConsole) -> str:
    """State of the red day in the ledger."""
    with console.ctx.ledger() as ledger:
        return ledger.days.find("self", DAY).state


def test_the_limit_is_reached_by_the_undecided_amount(strict_console: ServedConsole) -> None:
    higher = strict_console.ctx.settings.model_copy(update={"second_person_amount": Decimal("1.21")})
    assert needs_second_person("seal", "self", DAY, strict_console.ctx)
    assert not needs_second_person("seal", "self", DAY, replace(strict_console.ctx, settings=higher))


def test_a_day_is_sealed_and_restated_by_two_people(strict_console: ServedConsole) -> None:
    first, second = named(strict_console, "approver"), named(strict_console, "operator", "top")
    assert first.send(f"{PAGE}/confirm", decision="approve").status_code == 409
    assert first.send(f"{PAGE}/seal", reason="agreed by phone").headers["location"].endswith("notice=asked")
    assert day_state(strict_console) == "open"
    assert "approver of all asks to seal this day in spite of its obstacles: agreed by phone" in second.text("/")
    own = first.send(f"{PAGE}/confirm", decision="approve")
    assert (own.status_code, "you asked for this yourself" in own.text) == (409, True)
    assert first.send(f"{PAGE}/seal", reason="again").status_code == 409
    assert named(strict_console, "finance").send(f"{PAGE}/confirm", decision="approve").status_code == 403

    store(strict_console.ctx, "self", {"record_id": "202603-between", "call_id": "between"})
    changed = second.send(f"{PAGE}/confirm", decision="approve")
    assert (changed.status_code, "the day has changed" in changed.text) == (409, True)
    assert second.send(f"{PAGE}/confirm", decision="turn_down").status_code == 303
    assert first.send(f"{PAGE}/seal", reason="agreed by phone").status_code == 303
    assert second.send(f"{PAGE}/confirm", decision="approve").headers["location"].endswith("notice=sealed")
    with strict_console.ctx.ledger() as ledger:
        (event,) = ledger.day_states.events("self", DAY)
    assert event.actor == "approver of all, confirmed by operator of top"
    assert second.send(f"{PAGE}/confirm", decision="approve").status_code == 409

    store(strict_console.ctx, "self", {"record_id": "202603-late", "call_id": "late"})
    assert first.send(f"{PAGE}/restate", reason="late record").headers["location"].endswith("notice=asked")
    assert day_state(strict_console) == "sealed"
    assert second.send(f"{PAGE}/confirm", decision="approve").headers["location"].endswith("notice=restated")
    assert day_state(strict_console) == "restated"
    text = visible_text(second.get("/audit").text)
    assert "asked to restate the day" in text
    assert "asked for by approver of all" in text
    difference = second.text(f"{PAGE}/versions/2")
    assert "added 1" in difference
    assert "202603-late" in difference
