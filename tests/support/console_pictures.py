"""Takes the screenshots of README and documentation from the demo: ``python -m tests.support.console_pictures``.

Run ``cdr-pipeline demo`` first, with the same ``CDR_DATA_DIR``. Needs the extra ``browser`` and Chromium. The pictures
show made-up calls only, in the light scheme, 1,120 pixels wide.
"""

import shutil
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright

from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.settings import load_settings
from cdr_pipeline.steps.accounts.users import follow_sign_in_link, local_sign_in_link
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import listening

PICTURES: Final = Path(__file__).parents[2] / "cdr_pipeline" / "docs" / "pictures"
WIDTH: Final = 1_120
HEIGHT: Final = 720


def pages_of_demo(ctx: RunContext) -> dict[str, str]:
    """Path of each pictured screen by the name of its picture."""
    newest = list_breaks(BreakFilter(), ctx)[0]
    day = newest.business_date
    first = day.replace(day=1)
    return {
        "console_today": "/",
        "console_breaks": "/breaks",
        "console_carrier": f"/carriers/month?carrier={newest.carrier}&month={first:%Y-%m}",
    }


def take(page: Any, url: str, paths: dict[str, str], folder: Path) -> None:
    """Opens each page and stores its upper part."""
    for name, path in paths.items():
        answer = page.goto(url + path)
        if not answer.ok:
            raise SystemExit(f"{path} answers {answer.status}")
        page.screenshot(path=folder / f"{name}.png")


def main() -> None:
    """Serves the console over the demo's warehouse and takes all pictures."""
    ctx = RunContext.open(load_settings())
    session = follow_sign_in_link(local_sign_in_link("A. Controller", ctx).secret, ctx)
    with listening(ServedApp(ctx)) as url, sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        context = chromium.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", locale="en-GB"
        )
        context.add_cookies([{"name": "cdr_session", "value": session, "url": url}])
        take(context.new_page(), url, pages_of_demo(ctx), PICTURES)
        chromium.close()


if __name__ == "__main__":
    main()
