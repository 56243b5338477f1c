"""Whole walks through the console by keyboard alone, with and without scripts, in a real browser."""

import re
import zipfile
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from cdr_pipeline.exports.dialects.xlsx import read_workbook
from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from tests.support.console import DAY, PASSWORD, ServedConsole, red_day
from tests.support.console_browser import NEEDS_CHROMIUM, browser
from tests.support.serving import listening, store

pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.parametrize(
        "scripts", [True, pytest.param(False, marks=pytest.mark.exhaustive)], ids=["scripts", "no scripts"]
    ),
]
# More than the stops of the longest page: a month of five accounts has 170.
_MOST_STOPS: Final = 400
HEADER: Final = "id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency"


class Keyboard:
    """Reaches every element with the tab key, as a person without a mouse does."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def reach(self, target: Any) -> None:
        """Presses Tab until the element has the focus, and checks that the focus can be seen."""
        target.wait_for(state="attached")
        for _ in range(_MOST_STOPS):
            if target.evaluate("item => item === document.activeElement"):
                outline = target.evaluate("item => getComputedStyle(item).outlineStyle")
                assert outline != "none", target
                return
            self._page.keyboard.press("Tab")
        raise AssertionError(f"the tab key does not reach {target}")

    def press(self, role: str, name: str | re.Pattern[str], *, within: Any = None, key: str = "Enter") -> None:
        """Presses the first link, button or checkbox of this name."""
        self.reach((within or self._page).get_by_role(role, name=name).first)
        self._page.keyboard.press(key)

    def write(self, label: str, text: str, *, exact: bool = False) -> None:
        """Writes into a field; what it contains is replaced."""
        self.reach(self._page.get_by_label(label, exact=exact).first)
        self._page.keyboard.press("Control+A")
        self._page.keyboard.type(text)

    def shown(self, text: str) -> None:
        """Waits for a text of the next page."""
        self._page.get_by_text(text).first.wait_for()


def signed_in(page: Any, console: ServedConsole, role: str, account_id: str | None = None) -> Keyboard:
    """Signs in with name and password by keyboard."""
    console.session(role, account_id)
    keyboard = Keyboard(page)
    page.goto(f"{console.url}/sign-in")
    keyboard.write("Name", f"{role} of {account_id or 'all'}")
    keyboard.write("Password", PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Today").wait_for()
    return keyboard


def test_a_red_day_is_decided_sealed_downloaded_and_verified(
    shared_console: ServedConsole, chromium: Any, tmp_path: Path, scripts: bool
) -> None:
    account = "sibling" if scripts else "top"
    red_day(shared_console.ctx, account)
    with browser(chromium, shared_console, None, java_script_enabled=scripts) as page:
        keyboard = signed_in(page, shared_console, "approver", account)
        keyboard.press("link", "Calendar")
        red = page.get_by_role("row").filter(has_text=f"name of {account}")
        keyboard.press("link", "2: red", within=red)
        keyboard.shown("The reconciliation with a carrier is red")
        keyboard.press("link", "Decide the breaks")
        keyboard.press("link", "Only these")
        keyboard.shown("40 breaks")
        if scripts:
            keyboard.press("checkbox", "Select all", key="Space")
        else:
            keyboard.press("link", "Select all")
        page.locator("input[name=break]:checked").first.wait_for()
        assert page.locator("input[name=break]:checked").count() == 40
        keyboard.reach(page.get_by_label("Decision", exact=True))
        page.keyboard.type("dispute")
        keyboard.write("Reason", "twice the agreed price")
        page.keyboard.press("Enter")
        keyboard.shown("The decision is recorded.")
        states = [item.state for item in list_breaks(BreakFilter(accounts=[account]), shared_console.ctx)]
        assert states == ["disputed"] * 40
        keyboard.press("link", "Calendar")
        keyboard.press("link", "2: settled", within=page.get_by_role("row").filter(has_text=f"name of {account}"))
        keyboard.press("button", "Seal now")
        keyboard.shown("The day is sealed.")
        keyboard.press("button", "Verify now")
        keyboard.shown("agrees")
        with page.expect_download() as download:
            keyboard.press("link", "Excel workbook")
        assert download.value.suggested_filename == f"cdrs_{account}_{DAY}_v1.xlsx"
        download.value.save_as(saved := tmp_path / "day.xlsx")
        assert zipfile.is_zipfile(saved)
        (frame,) = read_workbook(saved)
        assert frame.height == 40
        assert {text[:10] for text in frame["started_at"]} == {str(DAY)}


def test_a_bad_file_is_corrected_and_changes_its_day(
    shared_console: ServedConsole, chromium: Any, scripts: bool
) -> None:
    day, name = DAY + timedelta(days=1 + scripts), f"broken_{scripts}.csv"
    lines = [f"{name}{at},+442079460001,+447700900001,{day}T08:0{at}:00Z,60,60,0.20,USD" for at in range(3)]
    broken = [lines[0], lines[1].replace("T08:01:00Z", " never"), lines[2].replace(",60,60,", ",60,sixty,")]
    content = "\n".join([HEADER, *broken, ""]).encode()
    with browser(chromium, shared_console, None, java_script_enabled=scripts) as page:
        keyboard = signed_in(page, shared_console, "finance", "self")
        keyboard.press("link", "Files in")
        with page.expect_file_chooser() as chooser:
            keyboard.reach(page.get_by_label("File", exact=True))
            page.keyboard.press("Enter")
        chooser.value.set_files({"name": name, "mimeType": "text/csv", "buffer": content})
        keyboard.reach(page.locator("#for-account"))
        page.keyboard.type("name of self")
        keyboard.reach(page.get_by_label("Profile", exact=True))
        page.keyboard.type("generic")
        keyboard.press("button", "Try it")
        keyboard.shown("2 of 3 lines would be rejected.")
        keyboard.press("button", "Load it")
        keyboard.press("link", "2", within=page.get_by_role("row").filter(has_text=name))
        keyboard.write("Line 3, start_time", f"{day}T08:01:00Z")
        keyboard.write("Line 4, billing_seconds", "60")
        keyboard.press("button", "Import the changed lines")
        keyboard.shown("No line is rejected any more.")
        keyboard.press("link", "Calendar")
        keyboard.press(
            "link", re.compile(f"^{day.day}: "), within=page.get_by_role("row").filter(has_text="name of self")
        )
        totals = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="imported"))
        assert "0.60 USD" in totals.inner_text()


def test_a_day_is_restated_by_a_second_person(shared_console: ServedConsole, chromium: Any, scripts: bool) -> None:
    account, ctx = ("child" if scripts else "stranger"), shared_console.ctx
    red_day(ctx, account, calls=2)
    seal_days(SealRequest([DAY], [account], Override("A. Controller", "checked")), ctx)
    store(ctx, account, {"record_id": "202603-late", "call_id": "late"})
    ctx = replace(ctx, settings=ctx.settings.model_copy(update={"second_person_rows": 1}))
    with listening(ServedApp(ctx)) as url, closing(ServedConsole(url, ctx)) as console:
        with browser(chromium, console, None, java_script_enabled=scripts) as page:
            keyboard = signed_in(page, console, "approver", account)
            late = page.get_by_role("row").filter(has_text="Records changed after the day was sealed")
            keyboard.press("link", "Open the day", within=late)
            keyboard.write("Reason", "a late record")
            page.keyboard.press("Enter")
            keyboard.shown("Another approver confirms it.")
        with browser(chromium, console, None, java_script_enabled=scripts) as page:
            keyboard = signed_in(page, console, "operator", account)
            asked = page.get_by_role("row").filter(has_text="asks to restate this day: a late record")
            keyboard.press("link", "Open the day", within=asked)
            keyboard.press("button", "Confirm")
            keyboard.shown("The day is restated.")
            keyboard.press("link", "see the differences")
            keyboard.shown("202603-late")
