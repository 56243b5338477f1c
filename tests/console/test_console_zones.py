"""Times in the zone that the viewer has chosen, and the pages that state it."""

import re

import pytest

from tests.support.console import DAY, ServedConsole, red_day
from tests.support.console_pages import AllPages, all_pages


@pytest.fixture(scope="module")
def pages(shared_console: ServedConsole) -> AllPages:
    """Every page."""
    return all_pages(shared_console)


def test_times_are_in_the_chosen_zone_until_it_is_given_up(console: ServedConsole) -> None:
    red_day(console.ctx, calls=1)
    person = console.person("viewer")
    before = person.text("/breaks", account="self")
    assert "2 Mar 2026 08:00" in before
    assert "Times are in the zone of the account, otherwise in UTC." in before
    answer = person.send("/times", zone="Asia/Kolkata", next=f"/days/self/{DAY}?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/days/self/{DAY}?x=1")
    after = person.text("/breaks", account="self")
    assert "2 Mar 2026 13:30" in after
    assert "Times are in Asia/Kolkata, your choice." in after
    assert "Received (Asia/Kolkata)" in person.text("/uploads")
    found = person.text("/search", account="self", first=DAY, last=DAY)
    assert "Start Asia/Kolkata" in found
    assert "2 Mar 2026 13:30" in found
    assert "Business day in UTC" in person.text(f"/days/self/{DAY}")
    person.send("/times", zone="")
    assert "2 Mar 2026 08:00" in person.text("/breaks", account="self")


def test_no_page_names_another_zone_than_the_chosen_one(shared_console: ServedConsole, pages: AllPages) -> None:
    person = shared_console.person("operator")
    person.get("/times")
    person.send("/times", zone="Asia/Kolkata")
    # Hours of traffic are counted in UTC; texts of documentation and the list of zones name what they are about.
    expected = re.compile(r"Hour \(UTC\)|Records by hour \(UTC\)|Business day in UTC|days in UTC|otherwise UTC")
    for page in [item for group in pages.opened.values() for item in group if item.signed_in and item.status == 200]:
        if page.path.startswith(
            ("/help", "/times", "/accounts", "/profiles", "/records", "/invoices", "/carriers/month")
        ):
            continue
        text = expected.sub("", person.text(page.path))
        assert not re.search(r".{0,40}\bUTC\b", text.split("Change · cdr_pipeline")[0]), page.path
        assert "Times are in Asia/Kolkata, your choice." in text


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../../etc/passwd", "<script>"])
def test_an_unknown_zone_is_not_kept(console: ServedConsole, zone: str) -> None:
    person = console.person("viewer")
    assert person.send("/times", zone=zone).status_code == 400
    person.client.cookies.set("cdr_zone", zone)
    assert "Times are in the zone of the account, otherwise in UTC." in person.text("/")


def test_the_choice_never_leads_to_another_server(console: ServedConsole) -> None:
    answer = console.person("viewer").send("/times", zone="UTC", next="//evil.example")
    assert answer.headers["location"] == "/"
