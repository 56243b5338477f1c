"""Every page of the console in Chromium with axe: light and dark, in a wide and in a narrow window."""

import json
from collections import defaultdict
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

import pytest
from jinja2 import Environment, Template

from cdr_pipeline.errors import WarehouseTimeout, WarehouseUnavailable
from tests.support.console import ServedConsole
from tests.support.console_browser import NEEDS_CHROMIUM, browser
from tests.support.console_pages import AllPages, ConsolePage, all_pages

axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed (extra browser)")
pytestmark = NEEDS_CHROMIUM
# What axe finds depends on the window; only contrast depends on the scheme too.
_CONTRAST: Final = {"runOnly": ["color-contrast"]}
_WINDOWS: Final = (
    (400, "light", {}), (400, "dark", _CONTRAST), (1280, "dark", {}), (1280, "light", _CONTRAST),
)  # fmt: skip
_RUN: Final = """async (options) => (await axe.run(document, {...options, resultTypes: ["violations"]})).violations
    .map(item => `${item.id}: ${item.nodes[0].html.slice(0, 200)}`)"""
# Elements that reach beyond the right edge, outside of regions that scroll.
_WIDER: Final = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? []
    : [...document.querySelectorAll("main *, header *, footer")].filter(item => !item.closest(".scroll, .prose pre")
        && item.getBoundingClientRect().right > document.documentElement.clientWidth)
        .map(item => "wider than the window: " + item.outerHTML.slice(0, 80))"""
# Sends a form as a person does, from a page that has the token of the session.
_SEND: Final = """([path, fields, file]) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action: path });
    const token = document.querySelector("input[name=csrf]");
    for (const [name, value] of Object.entries({ ...fields, ...(token ? { csrf: token.value } : {}) }))
        form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    if (file) {
        form.enctype = "multipart/form-data";
        const held = new DataTransfer();
        held.items.add(new File([file[1]], file[0]));
        form.append(Object.assign(document.createElement("input"), { type: "file", name: "file", files: held.files }));
    }
    document.body.append(form);
    form.submit();
}"""


@pytest.fixture(scope="module")
def pages(shared_console: ServedConsole) -> AllPages:
    """Every page."""
    return all_pages(shared_console)


def shown(browser_page: Any, console: ServedConsole, wanted: ConsolePage) -> dict[str, list[str]]:
    """Opens the page, or sends the form that answers with it; not empty if the status is another one."""
    if wanted.fields is None:
        status = browser_page.goto(console.url + wanted.path).status
    else:
        browser_page.goto(console.url + ("/help" if wanted.signed_in else "/sign-in"))
        with browser_page.expect_navigation() as answer:
            browser_page.evaluate(_SEND, [wanted.path, dict(wanted.fields), wanted.file])
        status = answer.value.status
    return {} if status == wanted.status else {f"status {status}": [browser_page.inner_text("main")[:300]]}


def faults(browser_page: Any) -> dict[str, list[str]]:
    """What axe finds on the page that is shown, and what is wider than the window, by window and scheme."""
    found: dict[str, list[str]] = defaultdict(list)
    browser_page.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    for width, scheme, options in _WINDOWS:
        browser_page.set_viewport_size({"width": width, "height": 900})
        browser_page.emulate_media(color_scheme=scheme)
        if problems := browser_page.evaluate(_RUN, options) + browser_page.evaluate(_WIDER):
            found[f"{width} {scheme}"] += problems
    return dict(found)


def templates() -> list[Traversable]:
    """Every template of the console."""
    return list(resources.files("cdr_pipeline.console").joinpath("templates").iterdir())


def test_every_route_is_visited(pages: AllPages) -> None:
    assert pages.missing() == set()


def test_no_page_has_an_accessibility_fault(
    shared_console: ServedConsole, chromium: Any, pages: AllPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: set[str] = set()
    get_template = Environment.get_template

    def recording(self: Environment, name: str, *rest: Any, **more: Any) -> Template:
        rendered.add(name)
        return get_template(self, name, *rest, **more)

    monkeypatch.setattr(Environment, "get_template", recording)
    found: dict[str, dict[str, list[str]]] = {}
    with (
        browser(chromium, shared_console, "operator", refusals=True) as operator,
        browser(chromium, shared_console, None, refusals=True) as anyone,
    ):
        # The one-time link presses its own button on this machine.
        anyone.add_init_script("HTMLFormElement.prototype.requestSubmit = () => {}")
        for wanted in pages.every():
            visitor = operator if wanted.signed_in else anyone
            if problems := shown(visitor, shared_console, wanted) | faults(visitor):
                found[wanted.name] = problems
    assert not found, json.dumps(found, indent=1)
    assert {path.name for path in templates()} - rendered == set()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (WarehouseUnavailable("refused", hint="start it"), 503),
        (WarehouseTimeout("after 10 seconds", hint="choose fewer days"), 504),
        (RuntimeError("secret"), 500),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_error_pages_are_accessible_and_keep_the_menu(
    shared_console: ServedConsole, chromium: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("cdr_pipeline.console.screens.audit.list_events", failing)
    with browser(chromium, shared_console, "viewer", refusals=True) as page:
        assert shown(page, shared_console, ConsolePage("/audit", status)) == {}
        assert page.get_by_role("link", name="Calendar").count() == 1
        assert faults(page) == {}


def test_refusals_of_roles_forms_and_links_are_accessible(shared_console: ServedConsole, chromium: Any) -> None:
    with browser(chromium, shared_console, "viewer", refusals=True) as page:
        for path, status in (("/users", 403), ("/audit?format=csv", 403), ("/nowhere", 404), ("/days/self/x", 404)):
            assert (path, shown(page, shared_console, ConsolePage(path, status)) | faults(page)) == (path, {})
        page.goto(f"{shared_console.url}/calendar")
        page.evaluate("document.querySelector('input[name=csrf]').value = 'x'")
        with page.expect_navigation() as answer:
            page.get_by_role("button", name="Sign out").click()
        assert answer.value.status == 403
        assert faults(page) == {}
