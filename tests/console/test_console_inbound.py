"""Inbound places: what was fetched, what is missing and what fails, for operators and for users of one account."""

import pytest

from tests.support.console import Person, ServedConsole
from tests.support.console_pages import fetch_inbound


@pytest.fixture(scope="module")
def places(shared_console: ServedConsole) -> ServedConsole:
    """A place with one of two expected files, and one that does not exist."""
    fetch_inbound(shared_console.ctx)
    return shared_console


def german(person: Person) -> Person:
    """The person with a German browser."""
    person.client.headers["Accept-Language"] = "de"
    return person


def test_places_show_the_last_fetch_and_what_is_missing(places: ServedConsole) -> None:
    text = places.person("operator").text("/inbound")
    assert "1 place cannot be used. 1 expected file is missing." in text
    assert "share folder reached 10 Mar 2026 12:00 10 Mar 2026 12:00 1 1" in text
    assert "Mon 9 Mar 2026" in text
    assert "calls_20260308.csv" in text


def test_inbound_problems_lead_to_their_place_in_german(places: ServedConsole) -> None:
    page = german(places.person("operator"))
    first = page.get("/").text
    assert 'href="/inbound?place=gone"' in first
    assert "keine Datei calls_%Y%m%d.csv am Ort share für 2026-03-09" in first
    assert "inbound check" not in first
    assert "1 erwartete Datei fehlt." in page.text("/inbound")


def test_a_user_sees_only_places_with_own_files(places: ServedConsole) -> None:
    own, other = places.person("finance", "self").text("/inbound"), places.person("finance", "sibling").text("/inbound")
    assert "share" in own
    assert "gone" not in own
    assert "No file of your accounts is fetched from a place." in other


def test_each_table_of_places_is_downloaded_apart(places: ServedConsole) -> None:
    person = places.person("operator")
    links = [link for link in person.links("/inbound") if "format=csv" in link]
    headings = [person.client.get(link).content.decode("utf-8-sig").splitlines()[0].split(",")[:2] for link in links]
    assert headings == [["place", "kind"], ["place", "pattern"], ["place", "file"]]


def test_an_invalid_list_of_places_is_explained(places: ServedConsole) -> None:
    file = places.ctx.settings.inbound_file
    valid = file.read_text()
    try:
        file.write_text("[share]\nwat = 1\n")
        assert "A setting or a value is missing or wrong" in places.person("operator").text("/inbound")
    finally:
        file.write_text(valid)
