"""The console in a real browser: from a red day to a sealed file, by mouse, by keyboard, and for everyone.

The tests share a server and a browser. Each has an account of its own.
"""

import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from tests.support.console import DAY, ServedConsole, red_day
from tests.support.console_browser import NEEDS_CHROMIUM, browser
from tests.support.serving import listening, store

pytestmark = NEEDS_CHROMIUM
HEADER: Final = "id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency"


def breaks_of(console: ServedConsole, account_id: str) -> list[str]:
    """States of an account's breaks."""
    return [item.state for item in list_breaks(BreakFilter(accounts=[account_id]), console.ctx)]


def test_from_a_red_day_to_a_verified_sealed_file(shared_console: ServedConsole, chromium: Any) -> None:
    red_day(shared_console.ctx, "sibling")
    path = f"{shared_console.url}/days/sibling/{DAY}"
    with browser(chromium, shared_console, "approver", "sibling") as page:
        page.goto(path)
        page.get_by_role("link", name="Decide the breaks").click()
        page.get_by_role("link", name="Only these").first.click()
        page.get_by_label("Select all").check()
        page.get_by_label("Decision").select_option("disputed")
        page.get_by_label("Reason").fill("twice the agreed price")
        page.get_by_role("button", name="Decide the selected").click()
        page.get_by_text("The decision is recorded.").wait_for()
        assert set(breaks_of(shared_console, "sibling")) == {"disputed"}
        page.goto(path)
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


def test_from_an_alarm_to_decided_breaks_in_three_clicks(shared_console: ServedConsole, chromium: Any) -> None:
    red_day(shared_console.ctx, "child", calls=3)
    with browser(chromium, shared_console, "finance", "child") as page:
        page.goto(shared_console.url)
        row = page.get_by_role("row").filter(has_text="child").filter(has_text="Reconciliation is red")
        row.get_by_role("link", name="See breaks").click()
        page.get_by_label("Reason").fill("twice the agreed price")
        page.get_by_label("Select all").click()
        page.get_by_role("button", name="Decide the selected").click()
        page.get_by_text("The decision is recorded.").wait_for()
    assert set(breaks_of(shared_console, "child")) == {"accepted"}


def test_breaks_are_decided_by_keyboard_alone(shared_console: ServedConsole, chromium: Any) -> None:
    red_day(shared_console.ctx, "stranger", calls=6)
    with browser(chromium, shared_console, "finance", "stranger") as page:
        page.goto(f"{shared_console.url}/breaks?account=stranger")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        for _ in range(3):
            page.keyboard.press("j")
            page.keyboard.press("x")
        assert page.locator("input[name=break]:checked").count() == 3
        for _ in range(80):
            if page.evaluate("document.activeElement.id") == "reason":
                break
            page.keyboard.press("Shift+Tab")
        page.keyboard.type("agreed by phone")
        page.keyboard.press("Enter")
        page.get_by_text("The decision is recorded.").wait_for()
    assert breaks_of(shared_console, "stranger").count("accepted") == 3


def test_a_bad_file_is_mended_without_scripts_and_changes_its_day(shared_console: ServedConsole, chromium: Any) -> None:
    day = DAY + timedelta(days=1)
    lines = [f"m{number},+442079460001,+447700900001,{day}T08:0{number}:00Z,60,60,0.20,USD" for number in range(3)]
    broken = [lines[0], lines[1].replace("T08:01:00Z", " never"), lines[2].replace(",60,60,", ",60,sixty,")]
    with browser(chromium, shared_console, "finance", java_script_enabled=False) as page:
        page.goto(f"{shared_console.url}/uploads?account=self")
        content = "\n".join([HEADER, *broken, ""]).encode()
        page.get_by_label("File", exact=True).set_input_files(
            {"name": "broken.csv", "mimeType": "text/csv", "buffer": content}
        )
        page.get_by_label("Profile").select_option("generic")
        page.get_by_role("button", name="Try it").click()
        assert "2 of 3 lines would be rejected." in page.content()
        page.get_by_role("button", name="Load it").click()
        page.get_by_role("row").filter(has_text="broken.csv").get_by_role("link", name="2").click()
        page.get_by_label("Line 3, start_time").fill(f"{day}T08:01:00Z")
        page.get_by_label("Line 4, billing_seconds").fill("60")
        page.get_by_role("button", name="Import the changed lines").click()
        assert "No line is rejected any more." in page.content()
        page.goto(f"{shared_console.url}/days/self/{day}")
        totals = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="imported"))
        assert "0.60 USD" in totals.inner_text()


def test_two_people_restate_a_day(shared_console: ServedConsole, chromium: Any) -> None:
    red_day(shared_console.ctx, "top", calls=2)
    seal_days(SealRequest([DAY], ["top"], Override("A. Controller", "checked")), shared_console.ctx)
    store(shared_console.ctx, "top", {"record_id": "202603-late", "call_id": "late"})
    settings = shared_console.ctx.settings.model_copy(update={"second_person_rows": 1})
    ctx = replace(shared_console.ctx, settings=settings)
    with listening(ServedApp(ctx)) as url, closing(ServedConsole(url, ctx)) as console:
        with browser(chromium, console, "approver") as page:
            page.goto(f"{url}/days/top/{DAY}")
            page.get_by_label("Reason").fill("a late record")
            page.get_by_role("button", name="Restate").click()
            page.get_by_text("Another approver confirms it.").wait_for()
        with browser(chromium, console, "operator") as page:
            page.goto(url)
            asked = page.get_by_role("row").filter(has_text="asks to restate this day: a late record")
            asked.get_by_role("link", name="Open the day").click()
            page.get_by_role("button", name="Confirm").click()
            page.get_by_text("The day is restated.").wait_for()
            page.get_by_role("link", name="see the differences").click()
            page.get_by_text("202603-late").wait_for()


def test_worklists_are_printed_without_their_controls(shared_console: ServedConsole, chromium: Any) -> None:
    with browser(chromium, shared_console, "finance") as page:
        page.emulate_media(media="print")
        for path, cell in (
            ("/breaks?account=self&state=all", "Other price"),
            ("/calendar?month=2026-03", "name of self"),
        ):
            page.goto(shared_console.url + path)
            assert page.get_by_role("row").filter(has_text=cell).last.is_visible()
            assert page.locator("button:visible, input[type=checkbox]:visible, select:visible").count() == 0
