"""Chromium with a signed-in user of the console."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from tests.support.console import ServedConsole

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_CHROMIUM: Final = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--headless", "--no-first-run", "--disable-background-networking")


@contextmanager
def started_chromium() -> Generator[Any]:
    """The browser; skips the test where its package is not installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra browser)")
    with playwright.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield started
        started.close()


@contextmanager
def browser(
    chromium: Any,
    console: ServedConsole,
    role: str | None,
    account_id: str | None = None,
    *,
    refusals: bool = False,
    **options: Any,
) -> Generator[Any]:
    """A page of a user of this role, who is signed in; errors of scripts and of the policy fail the test.

    Args:
        chromium: the browser.
        console: the served console.
        role: role of the user; None for a browser without a session.
        account_id: account of the user; None for all accounts.
        refusals: whether pages with a status from 400 on are expected; the browser reports each as an error.
        options: options of the browser's context.
    """
    context = chromium.new_context(**{"locale": "en-GB"} | options)
    if role is not None:
        secret = console.session(role, account_id)
        context.add_cookies([{"name": "cdr_session", "value": secret, "url": console.url}])
    page = context.new_page()
    page.set_default_timeout(30_000)
    errors: list[str] = []

    def note(message: Any) -> None:
        refused = refusals and "the server responded with a status of" in message.text
        if message.type == "error" and not refused:
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []
    context.close()
