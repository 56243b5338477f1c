"""The calendar: states of days, and acts on a range of days of several accounts."""

import re
from datetime import date

import pytest

from cdr_pipeline.console import rendering
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.decisions import decide_breaks
from tests.support.console import DAY, ServedConsole, red_day, visible_text
from tests.support.serving import store

RANGE = {"first": "2026-03-01", "last": "2026-03-04"}


@pytest.fixture(scope="module")
def settled_day(shared_console: ServedConsole) -> str:
    """An account whose red day has no undecided breaks."""
    red_day(shared_console.ctx, "child", calls=2)
    ids = [item.outcome_id for item in list_breaks(BreakFilter(accounts=["child"]), shared_console.ctx)]
    decide_breaks(ids, shared_console.ctx, decision="accepted", reason="small", decided_by="A", accounts=["child"])
    return "child"


def test_a_day_whose_breaks_are_decided_is_settled(shared_console: ServedConsole, settled_day: str) -> None:
    page = shared_console.person("viewer").get("/calendar", month="2026-03").text
    assert f'href="/days/{settled_day}/{DAY}" aria-label="2: settled"' in page
    assert f'href="/days/self/{DAY}" aria-label="2: red"' in page


@pytest.mark.usefixtures("settled_day")
def test_a_range_is_sealed_where_nothing_blocks_it(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    text = visible_text(person.send("/calendar", account=["self", "child"], act="seal", **RANGE).text)
    assert text.count("sealed ") >= 3
    assert re.search(r"Mon 2 Mar 2026 [\w. ]*self not sealed The reconciliation with a carrier is red", text), text
    assert re.search(r"Mon 2 Mar 2026 [\w. ]*child sealed", text), text
    assert "sealed the day" in person.text("/audit")


@pytest.mark.usefixtures("settled_day")
def test_a_range_is_sealed_with_a_reason_and_restated(shared_console: ServedConsole) -> None:
    person = shared_console.person("approver")
    person.send("/calendar", account="self", act="seal", reason="checked", **RANGE)
    store(shared_console.ctx, "self", {"record_id": "202603-late", "call_id": "late"})
    none = visible_text(person.send("/calendar", account="self", act="seal", **RANGE).text)
    text = visible_text(person.send("/calendar", account="self", act="restate", reason="late", **RANGE).text)
    assert "No day of the range can be sealed or restated." in none
    assert re.search(r"Mon 2 Mar 2026 [\w. ]*self restated", text), text
    with shared_console.ctx.ledger() as ledger:
        assert ledger.days.find("self", date(2026, 3, 2)).state == "restated"


@pytest.mark.parametrize(
    ("role", "form", "status"),
    [
        ("viewer", {"account": "self", "act": "seal"}, 403),
        ("finance", {"account": "self", "act": "restate", "reason": "late"}, 403),
        ("finance", {"account": "self", "act": "seal", "reason": "checked"}, 403),
        ("approver", {"account": "self", "act": "restate"}, 400),
        ("approver", {"act": "seal"}, 400),
    ],
)
def test_a_range_needs_role_account_and_reason(
    shared_console: ServedConsole, role: str, form: dict[str, str], status: int
) -> None:
    assert shared_console.person(role).send("/calendar", **form, **RANGE).status_code == status


def test_a_range_of_another_account_does_not_exist(shared_console: ServedConsole) -> None:
    person = shared_console.person("operator", "self")
    assert person.send("/calendar", account="stranger", act="seal", **RANGE).status_code == 404


def test_a_filter_names_an_account_by_its_name_or_id(shared_console: ServedConsole) -> None:
    person = shared_console.person("viewer")
    by_name, by_id = (person.get("/breaks", account=text, state="all") for text in ("Name of self", "self"))
    assert by_name.text.count("data-row") == by_id.text.count("data-row") > 0
    assert person.get("/breaks", account="name of nobody").status_code == 404


def test_many_accounts_are_typed_and_suggested(shared_console: ServedConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    person = shared_console.person("viewer", "top")
    assert person.get("/accounts/names", q="S").json() == ["name of self", "name of sibling"]
    monkeypatch.setattr(rendering, "_MOST_CHOICES", 2)
    page = person.get("/breaks", account="self").text
    assert 'value="name of self"' in page
    assert 'data-suggest="/accounts/names"' in page
