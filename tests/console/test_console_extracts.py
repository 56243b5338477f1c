"""Files of all calls of a longer period: requested, made, downloaded and deleted from the console."""

import re
import time
from datetime import timedelta

from tests.support.console import Person, ServedConsole
from tests.support.serving import STARTED, store

FORM = {"account": "self", "first": "2026-01-01", "last": "2026-06-30", "form": "spreadsheet"}


def ready_link(person: Person) -> str:
    """Link of the file, once the server has made it."""
    deadline = time.monotonic() + 60
    while not (links := person.links("/extracts", account="self")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (link,) = links
    return link


def test_a_controller_downloads_the_calls_of_half_a_year(console: ServedConsole) -> None:
    starts = [STARTED + timedelta(days=days) for days in (-70, -60, 0, 120, 121)]
    store(console.ctx, "self", *({"started_at": start, "duration_seconds": "90000"} for start in starts))
    finance = console.person("finance")
    assert "/extracts?account=self" in finance.get("/search?account=self").text
    asked = finance.send("/extracts", **FORM)
    assert "The file is requested and made in the background." in finance.client.get(asked.headers["location"]).text
    link = ready_link(finance)
    html = finance.get("/extracts?account=self").text
    assert "3 calls" in html
    file = finance.client.get(link)
    assert (file.status_code, file.headers["content-length"]) == (200, str(len(file.content)))
    # Days are those of the start, in the zone of the account; a call that ends after the last day is in the file.
    assert [f"call{number}" in file.text for number in range(1, 6)] == [False, True, True, True, False]
    assert finance.client.get(link.partition("?")[0]).status_code == 403
    (extract_id,) = re.findall(r'name="extract" value="(\w+)"', html)
    finance.send("/extracts/delete", account="self", extract=extract_id)
    assert list((console.ctx.settings.extract_dir / "self").iterdir()) == []
    assert "No file was requested." in finance.get("/extracts?account=self").text
    assert finance.client.get(link).status_code == 404


def test_viewers_and_other_accounts_get_no_files(console: ServedConsole) -> None:
    viewer, finance = console.person("viewer"), console.person("finance")
    assert viewer.get("/extracts").status_code == 403
    assert viewer.send("/extracts", **FORM).status_code == 403
    assert "/extracts" not in viewer.get("/search?account=self").text
    assert finance.send("/extracts", **FORM | {"account": "nowhere"}).status_code == 404
    assert finance.send("/extracts", **FORM | {"first": "never"}).status_code == 400
    assert "No file was requested." in finance.get("/extracts?account=self").text
