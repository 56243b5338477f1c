"""The console in a real browser: from a red day to a sealed file, by mouse, by keyboard, and for everyone."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from tests.support.console import DAY, ServedConsole, red_day
from tests.support.serving import store

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra browser)")
axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
FLAGS = ("--no-sandbox", "--disable-gpu", "--headless", "--no-first-run", "--disable-background-networking")
SCREENS: Final = (
    "/", "/calendar?month=2026-03", f"/days/self/{DAY}", "/breaks?account=self", "/uploads", "/audit", "/users",
    "/deliveries", "/accounts", "/operations", "/profiles", "/profiles/edit?name=generic",
    "/carriers", "/carriers/month?carrier=bell&month=2026-03",
    "/help",
    "/help/how-to/finance", "/search?account=self&q=&first=2026-03-01&last=2026-03-05", "/records/self/202603-leg0",
)  # fmt: skip
# Elements that reach beyond the right edge, outside of regions that scroll.
WIDER: Final = """[...document.querySelectorAll("main *")].filter(item => !item.closest(".scroll, .prose pre")
    && item.getBoundingClientRect().right > document.documentElement.clientWidth)
    .map(item => item.outerHTML.slice(0, 80))"""


@contextmanager
def browser(console: ServedConsole, role: str, **options: Any) -> Iterator[Any]:
    """A page of a user of this role, who is signed in; errors of scripts and of the policy fail the test."""
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = chromium.new_context(**options)
        context.add_cookies([{"name": "cdr_session", "value": console.session(role), "url": console.url}])
        page = context.new_page()
        page.set_default_timeout(30_000)
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        assert errors == []
        chromium.close()


def test_from_a_red_day_to_a_verified_sealed_file(console: ServedConsole) -> None:
    red_day(console.ctx)
    with browser(console, "approver") as page:
        page.goto(f"{console.url}/days/self/{DAY}")
        page.get_by_role("link", name="Decide the breaks").click()
        page.get_by_role("link", name="Only these").first.click()
        page.get_by_label("Select all").check()
        page.get_by_label("Decision").select_option("disputed")
        page.get_by_label("Reason").fill("twice the agreed price")
        page.get_by_role("button", name="Decide the selected").click()
        page.get_by_text("The decision is recorded.").wait_for()
        assert {item.state for item in list_breaks(BreakFilter(accounts=["self"]), console.ctx)} == {"disputed"}
        page.goto(f"{console.url}/days/self/{DAY}")
        if page.get_by_label("Reason to seal in spite of this").count():
            page.get_by_label("Reason to seal in spite of this").fill("all breaks are decided")
            page.get_by_role("button", name="Seal in spite of this").click()
        else:
            page.get_by_role("button", name="Seal now").click()
        page.get_by_text("The day is sealed.").wait_for()
        page.get_by_role("button", name="Verify now").click()
        page.get_by_text("agrees").wait_for()
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile(r"\.csv")).click()
        assert download.value.suggested_filename.endswith(f"{DAY}_v1.csv")


def test_breaks_are_decided_by_keyboard_alone(console: ServedConsole) -> None:
    red_day(console.ctx, calls=12)
    with browser(console, "finance") as page:
        page.goto(f"{console.url}/breaks?account=self")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        for _ in range(3):
            page.keyboard.press("j")
            page.keyboard.press("x")
        assert page.locator("input[name=break]:checked").count() == 3
        page.get_by_label("Reason").focus()
        page.keyboard.type("agreed by phone")
        page.keyboard.press("Enter")
        page.get_by_text("The decision is recorded.").wait_for()
    decided = [item for item in list_breaks(BreakFilter(accounts=["self"]), console.ctx) if item.state == "accepted"]
    assert len(decided) == 3


def test_breaks_are_decided_without_scripts(console: ServedConsole) -> None:
    red_day(console.ctx, calls=12)
    with browser(console, "finance", java_script_enabled=False) as page:
        page.goto(f"{console.url}/breaks?account=self")
        page.locator("input[name=break]").first.check()
        page.get_by_label("Reason").fill("small")
        page.get_by_role("button", name="Decide the selected").click()
        assert "The decision is recorded." in page.content()


def test_no_screen_has_an_accessibility_fault(console: ServedConsole) -> None:
    red_day(console.ctx, calls=12)
    seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), console.ctx)
    store(console.ctx, "self", {"record_id": "202603-late", "call_id": "late"})
    found: dict[tuple[str, int, str], list[str]] = {}
    with browser(console, "operator") as page:
        for path in SCREENS:
            page.goto(console.url + path)
            for width, scheme in ((400, "light"), (400, "dark"), (1280, "light"), (1280, "dark")):
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=scheme)
                faults = [violation["id"] for violation in axe_playwright.Axe().run(page).response["violations"]]
                wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                if wider > 0:
                    faults.append(f"wider than the window by {wider} pixels: {page.evaluate(WIDER)}")
                if faults:
                    found[path, width, scheme] = faults
    assert found == {}
