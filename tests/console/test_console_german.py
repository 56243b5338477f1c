"""Every page in German: no text of the catalogue stays English, and no other English sentence is on it."""

import json
import re
from html import unescape
from typing import Final

import pytest

from cdr_pipeline.console.catalog import language
from tests.support.console import ServedConsole
from tests.support.console_pages import AllPages, all_pages, visited

GERMAN: Final = language("de").texts
# What is English on purpose is marked as such; ids, code, and names of files and profiles are the same everywhere.
MARKED: Final = re.compile(
    r'<(\w+)[^>]*(?: lang="en"|class="[^"]*\braw\b[^"]*")[^>]*>.*?</\1>|<code>.*?</code>|<(script|style)\b.*?</\2>'
    r"|<dl>.*?</dl>|<textarea.*?</textarea>|<datalist.*?</datalist>",
    re.DOTALL,
)
# English words that are German ones too, such as the plural of Profil.
SAME: Final = frozenset(GERMAN.values())
# Words that no German sentence has.
ENGLISH: Final = re.compile(
    r"\b(the|and|of|is|were|are|not|this|that|with|which|from|has|have|been|by)\b", re.IGNORECASE
)
# Values that are made in English by the fixtures: names of accounts and users, and reasons that people typed.
NAMES: Final = re.compile(r"name of \w+|\w+ of all|A\. Controller|late record|[\w ]*\.csv\b")


@pytest.fixture(scope="module")
def pages(shared_console: ServedConsole) -> AllPages:
    """Every page."""
    return all_pages(shared_console)


def texts(html: str) -> list[str]:
    """Texts between tags, and those of attributes that are shown or read aloud; without what is marked as English."""
    body = html
    while (shorter := MARKED.sub(" ", body)) != body:
        body = shorter
    shown = re.findall(r'(?:aria-label|placeholder|title|alt)="([^"]*)"', body)
    shown += re.split(r"<[^>]+>", body)
    return [text for item in shown if (text := re.sub(r"\s+", " ", unescape(item)).strip())]


def english_of(html: str) -> list[str]:
    """Texts of a German page that are English."""
    found = [text for text in texts(html) if GERMAN.get(text, text) != text and text not in SAME]
    return found + [text for text in texts(html) if ENGLISH.search(NAMES.sub("", text))]


def test_no_page_has_an_english_text(shared_console: ServedConsole, pages: AllPages) -> None:
    found: dict[str, list[str]] = {}
    for page in pages.every():
        person = shared_console.person("operator") if page.signed_in else shared_console.anyone()
        person.client.headers["Accept-Language"] = "de-DE"
        # The shipped documentation is English.
        if page.path.startswith("/help/") and page.status == 200:
            continue
        html = visited(person, page)
        assert '<html lang="de">' in html
        if english := english_of(html):
            found[page.name] = english
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)


def test_the_search_for_english_texts_finds_them() -> None:
    assert english_of("<p>Calendar</p>") == ["Calendar"]
    assert english_of('<p lang="en">Calendar</p><a aria-label="the day">Kalender</a>') == ["the day"]
