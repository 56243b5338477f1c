"""What waits for a person on the first page: each with the page that deals with it, in the person's language."""

import re

import pytest

from cdr_pipeline.console.meanings import screen_of
from cdr_pipeline.steps.operations.health import find_problems
from tests.support.carriers import drop
from tests.support.console import DAY, Person, ServedConsole, visible_text

HEADER = "id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency"
BROKEN = "c1,+442079460001,+447700900001,never,60,60,0.20,USD"


@pytest.fixture(scope="module")
def rejected_upload(shared_console: ServedConsole) -> str:
    """A file with a rejected line; its id."""
    drop(shared_console.ctx, "self", f"{HEADER}\n{BROKEN}\n", "rejected.csv")
    with shared_console.ctx.ledger() as ledger:
        return next(item.sha256 for item in ledger.uploads.list_all(["self"]) if item.rows_rejected)


def german(console: ServedConsole, role: str) -> Person:
    """A person with a German browser."""
    person = console.person(role)
    person.client.headers["Accept-Language"] = "de"
    return person


@pytest.mark.parametrize("role", ["finance", "operator"])
def test_rejected_lines_lead_to_their_correction(
    shared_console: ServedConsole, rejected_upload: str, role: str
) -> None:
    page = shared_console.person(role).get("/").text
    assert f'href="/uploads/self/{rejected_upload}/rejects"' in page
    assert "rejects export" not in page


@pytest.mark.usefixtures("rejected_upload")
def test_problems_that_pages_solve_have_no_command(shared_console: ServedConsole) -> None:
    person = shared_console.person("operator")
    page = person.get("/").text
    problems = find_problems(shared_console.ctx)
    assert {screen_of(item.subject) is not None for item in problems} == {True}
    assert "<code>" not in page
    links = set(re.findall(r'class="button plain" href="([^"]+)"', page))
    assert {person.get(link.replace("&amp;", "&")).status_code for link in links} == {200}


@pytest.mark.usefixtures("rejected_upload")
def test_the_german_first_page_has_no_english_problem(shared_console: ServedConsole) -> None:
    page = german(shared_console, "operator").get("/").text
    text = visible_text(re.sub(r'<(\w+) lang="en">.*?</\1>', "", page))
    assert "1 Zeile wurde abgelehnt" in text
    assert "Nacht von" in text
    assert not re.search(r"\b(night of|were rejected|is red|could not)\b", text)


def test_breaks_are_german_for_a_german_reader(shared_console: ServedConsole) -> None:
    text = german(shared_console, "finance").text("/breaks", account="self", first=DAY, last=DAY)
    assert "Anderer Preis" in text
    assert "die Dauer stimmt überein, der Preis nicht" in text
    assert "Other price" not in text
