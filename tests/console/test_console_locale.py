"""Numbers, dates, times and money on every page are written as the reader's language writes them."""

import re
from typing import Final

import pytest

from cdr_pipeline.console.catalog import language
from cdr_pipeline.core.charts.composed_text import ComposedText
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from tests.support.console import DAY, Person, ServedConsole
from tests.support.serving import store

SCREENS: Final = (
    "/", "/calendar?month=2026-03", f"/days/self/{DAY}/versions/2", "/breaks?account=self",
    "/rules",
    "/carriers", "/carriers/month?carrier=bell&month=2026-03", "/uploads", "/deliveries", "/accounts", "/operations",
    "/audit", "/users", "/profiles", "/inbound",
)  # fmt: skip
# Texts that are the same in every language: ids, names of files, code, English details, and values of forms.
EXACT: Final = re.compile(
    r'<(\w+)[^>]*(?: lang="en"|class="[^"]*\braw\b[^"]*")[^>]*>.*?</\1>|<code>.*?</code>|<option.*?</option>'
    r"|<footer>.*?</footer>|[\w-]+\.(?:csv|xlsx|json|toml)\b|<svg.*?<title>|[0-9a-f]{12}…",
    re.DOTALL,
)
RAW: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{4}-\d\d\b|\d\d:\d\d:\d\d|(?<![\d.])\d+\.\d{2,}(?![\d.])|None|\bDecimal\b")


@pytest.fixture(scope="module")
def german(shared_console: ServedConsole) -> Person:
    """An operator with a German browser; the red day is sealed and restated."""
    seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), shared_console.ctx)
    store(shared_console.ctx, "self", {"record_id": "202603-late", "call_id": "late", "cost": "0.5"})
    restate_days(RestateRequest("A. Controller", "late record", [DAY], ["self"]), shared_console.ctx)
    person = shared_console.person("operator")
    person.client.headers["Accept-Language"] = "de"
    return person


@pytest.mark.parametrize("path", SCREENS)
def test_a_german_page_has_no_raw_date_time_or_number(german: Person, path: str) -> None:
    response = german.get(path)
    assert response.status_code == 200
    text = re.sub(r"<[^>]+>", " ", EXACT.sub(" ", response.text))
    assert RAW.findall(text) == []


def test_money_and_times_are_german_on_a_german_page(german: Person) -> None:
    text = german.text("/breaks", account="self", state="all")
    assert "0,20 USD" in text
    assert "02.03.2026 08:00" in text
    assert "März 2026" in german.text("/calendar", month="2026-03")


@pytest.mark.parametrize(
    ("code", "expected"),
    [("en", "Mon 2 Mar 2026: 1,200 breaks"), ("de", "Mo., 2. März 2026: 1.200 breaks")],
)
def test_a_composed_text_is_written_by_the_language(code: str, expected: str) -> None:
    text = ComposedText("{day}: {count} breaks", day=DAY, count=1200)
    assert language(code).composed(text) == expected
