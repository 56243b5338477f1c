"""Every table of every page is downloaded as CSV and Excel, with the filters of the page."""

import csv
import io
import re
import zipfile
from datetime import timedelta
from html import unescape
from typing import Final

import pytest

from tests.support.console import DAY, Person, ServedConsole, red_day
from tests.support.console_pages import AllPages, ConsolePage, all_pages

# Tables without a download, by page: sums that a page shows next to what they are made of, and texts of documentation.
_SUMS: Final = {
    "/": 1, "/days/": 2, "/breaks": 1, "/carriers/month": 1, "/records/": 1, "/help": 99,
}  # fmt: skip


@pytest.fixture(scope="module")
def pages(shared_console: ServedConsole) -> AllPages:
    """Every page."""
    return all_pages(shared_console)


def links_of(html: str) -> list[str]:
    """Links of a page that download a table, as CSV."""
    found = [unescape(link) for link in re.findall(r'href="([^"]+)" download', html)]
    return [link for link in found if "format=csv" in link]


def allowed(page: ConsolePage) -> int:
    """Number of tables of a page that need no download."""
    matching = [prefix for prefix in _SUMS if page.path.startswith(prefix) and (prefix != "/" or page.path == "/")]
    return _SUMS[max(matching, key=len)] if matching else 0


def test_every_table_of_a_page_has_a_download_that_works(shared_console: ServedConsole, pages: AllPages) -> None:
    operator, followed = shared_console.person("operator"), set[str]()
    for page in [item for group in pages.opened.values() for item in group if item.signed_in]:
        html = operator.get(page.path).text
        links = links_of(html)
        tables = len(re.findall("<table", html))
        assert tables - allowed(page) <= len(links), page.path
        for link in links:
            answer = operator.client.get(link)
            assert (link, answer.status_code) == (link, 200)
            rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
            assert len(rows) > 1, link
            assert {len(row) for row in rows} == {len(rows[0])}
            book = operator.client.get(link.replace("format=csv", "format=xlsx"))
            assert zipfile.is_zipfile(io.BytesIO(book.content)), link
            followed.add(answer.headers["content-disposition"])
    assert len(followed) >= 20


def test_answers_of_forms_offer_downloads_that_work(shared_console: ServedConsole, pages: AllPages) -> None:
    operator = shared_console.person("operator")
    answer = operator.send(f"/days/self/{DAY}/verify")
    links = links_of(answer.text)
    assert links
    assert {operator.client.get(link).status_code for link in links} == {200}
    refused = operator.send("/operations/run", date="2999-01-01")
    assert {operator.client.get(link).status_code for link in links_of(refused.text)} == {200}
    assert pages.answered


def downloaded(person: Person, path: str, table: str = "", **query: str) -> list[dict[str, str]]:
    """Rows of the CSV of a page's table."""
    links = [link for link in links_of(person.get(path, **query).text) if not table or f"table={table}" in link]
    answer = person.client.get(links[0])
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def test_the_audit_log_is_filtered_and_downloaded_as_shown(console: ServedConsole) -> None:
    red_day(console.ctx, calls=1)
    operator, finance = console.person("operator"), console.person("finance")
    finance.send(f"/days/self/{DAY}/dismiss", reason="no calls")
    operator.send("/users", name="B. Clerk", role="viewer")
    today = console.ctx.clock().date()
    assert {row["action"] for row in downloaded(operator, "/audit")} == {"invite", "dismiss rejects"}
    for query, expected in (
        ({"user": "FINANCE"}, {"dismiss rejects"}),
        ({"account": "self"}, {"dismiss rejects"}),
        ({"first": str(today), "last": str(today), "user": "finance"}, {"dismiss rejects"}),
    ):
        assert {row["action"] for row in downloaded(operator, "/audit", **query)} == expected
    assert "Nothing matches." in operator.text("/audit", first=today + timedelta(days=1))
    assert "Nothing matches." in operator.text("/audit", account="child")


def test_the_history_of_a_day_is_not_crowded_out_by_other_accounts(console: ServedConsole) -> None:
    red_day(console.ctx, calls=1)
    console.person("finance").send(f"/days/self/{DAY}/dismiss", reason="no calls at all")
    with console.ctx.ledger() as ledger:
        ledger.connection.execute(
            "INSERT INTO console_events (event_id, happened_at, user_id, action, account_id, business_date, subject,"
            " reason) SELECT gen_random_uuid(), now() + interval '1 hour', user_id, 'seal', 'child', %s, '', ''"
            " FROM generate_series(1, 300), (SELECT user_id FROM console_users LIMIT 1) AS users",
            [DAY],
        )
    assert "no calls at all" in console.person("finance").text(f"/days/self/{DAY}")
    operator = console.person("operator")
    assert "Only the newest 200 are shown; the download has all." in operator.text("/audit")
    assert len(downloaded(operator, "/audit")) == 301


def test_a_user_of_an_account_exports_only_its_rows(console: ServedConsole) -> None:
    for account_id in ("self", "stranger"):
        red_day(console.ctx, account_id, calls=1)
        console.person("finance").send("/rules", carrier="bell", account=account_id, reason="agreed", action="add")
    person = console.person("finance", "self")
    assert {row["account"] for row in downloaded(person, "/rules")} == {"self"}
    assert {row["account"] for row in downloaded(person, "/", table="work")} == {"self", "child"}
