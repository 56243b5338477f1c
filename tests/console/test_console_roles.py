"""What each role may do, on which accounts, and that no other site can make a user do it."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from cdr_pipeline.console.app import SCREENS
from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from tests.support.console import DAY, Person, ServedConsole, red_day
from tests.support.serving import listening, store

_UPLOAD: Final = "0" * 64
# Every form: path, fields, and the least role whose users get further than 403.
FORMS: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "verify": (f"/days/self/{DAY}/verify", {}, "viewer"),
    "seal": (f"/days/self/{DAY}/seal", {}, "finance"),
    "seal in spite of obstacles": (f"/days/self/{DAY}/seal", {"reason": "checked"}, "approver"),
    "restate": (f"/days/self/{DAY}/restate", {"reason": "late record"}, "approver"),
    "confirm": (f"/days/self/{DAY}/confirm", {"decision": "approve"}, "approver"),
    "range": ("/calendar", {"account": "self", "act": "seal", "first": str(DAY), "last": str(DAY)}, "finance"),
    "decide": (
        "/breaks/decide",
        {"decision": "accepted", "reason": "small", "break": "self:" + "0" * 16 + ":0"},
        "finance",
    ),
    "correct rejects": (f"/uploads/self/{_UPLOAD}/rejects", {"cell-2-0": "x"}, "finance"),
    "try again": ("/uploads/try", {"key": "0" * 64, "profile": "generic"}, "finance"),
    "draft": ("/profiles/draft", {"key": "0" * 64}, "finance"),
    "try profile": ("/profiles/edit", {"name": "x", "text": "x"}, "finance"),
    "invoice": (
        "/invoices",
        {"account": "self", "carrier": "bell", "number": "1", "first": str(DAY), "last": str(DAY)},
        "finance",
    ),
    "dismiss": (f"/days/self/{DAY}/dismiss", {"reason": "no calls"}, "finance"),
    "rule": ("/rules", {"carrier": "bell"}, "finance"),
    "end rule": ("/rules/end", {"rule": "0" * 8, "account": "self", "reason": "new prices"}, "finance"),
    "request extract": (
        "/extracts",
        {"account": "self", "first": str(DAY), "last": str(DAY), "form": "csv"},
        "finance",
    ),
    "delete extract": ("/extracts/delete", {"account": "self", "extract": "0" * 32}, "finance"),
    "run": ("/operations/run", {"date": "2999-01-01"}, "operator"),
    "load": ("/uploads/load", {"key": "0" * 64}, "finance"),
    "release": ("/uploads/decide", {"account": "self", "upload": _UPLOAD, "decision": "release"}, "operator"),
    "discard": ("/uploads/decide", {"account": "self", "upload": _UPLOAD, "decision": "discard"}, "operator"),
    "time zone": ("/times", {"zone": "Europe/Berlin"}, "viewer"),
    "invite": ("/users", {"name": "B. Clerk", "role": "viewer"}, "operator"),
    "change": ("/users/change", {"name": "B. Clerk", "role": "viewer", "access": "ended"}, "operator"),
}
ROLES: Final = ("viewer", "finance", "approver", "operator")
# Paths that a browser without a session may open.
OPEN: Final = {
    "/sign-in", "/sign-in/provider", "/sign-in/provider/answer", "/invitation/{secret}", "/link/{secret}", "/static",
}  # fmt: skip
# Pages that name an account, and the paths for which a user of another account must get "not found".
FOREIGN: Final = [
    f"/days/stranger/{DAY}",
    f"/days/stranger/{DAY}/versions/1",
    f"/breaks/pack/stranger/{DAY}?carrier=bell",
    f"/days/stranger/{DAY}/files/{DAY}_v1_exact",
    f"/days/top/{DAY}",
    f"/days/sibling/{DAY}",
    "/breaks?account=stranger",
    "/uploads?account=stranger",
    f"/uploads/stranger/{_UPLOAD}/rejects",
    "/search?account=stranger&q=call1",
    "/carriers/month?carrier=bell&account=stranger",
    "/invoices?account=stranger&carrier=bell&number=1",
    "/records/stranger/202603-call1",
    "/records/sibling/202603-call1",
    "/extracts?account=stranger",
    f"/extracts/stranger/{'0' * 32}",
]


def routes() -> list[APIRoute]:
    """Every route of the console."""
    return [route for screen in SCREENS for route in screen.router.routes if isinstance(route, APIRoute)]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_open_from_its_least_role_on(shared_console: ServedConsole, form: str) -> None:
    path, fields, least = FORMS[form]
    refused = [role for role in ROLES if shared_console.person(role).send(path, **fields).status_code == 403]
    assert refused == list(ROLES[: ROLES.index(least)])


def test_every_form_is_in_the_matrix() -> None:
    paths = {route.path for route in routes() if "POST" in (route.methods or ())}
    filled = {
        path.replace("self", "{account_id}").replace(str(DAY), "{business_date}").replace(_UPLOAD, "{upload_id}")
        for path, _, _ in FORMS.values()
    }
    assert paths - filled == {"/sign-in", "/sign-out", "/invitation/{secret}", "/link/{secret}", "/uploads"}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_without_the_token_of_the_session_changes_nothing(shared_console: ServedConsole, form: str) -> None:
    path, fields, _ = FORMS[form]
    person = shared_console.person("operator")
    assert person.client.post(path, data=fields).status_code == 403
    assert person.client.post(path, data=fields | {"csrf": "0" * 64}).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_a_form_from_another_site_is_refused(console: ServedConsole, headers: dict[str, str]) -> None:
    person = console.person("operator")
    person.client.headers.update(headers)
    assert person.send(f"/days/self/{DAY}/seal", reason="forged").status_code == 403
    assert person.client.post("/sign-in", data={"name": "a", "password": "b"}).status_code == 403


def test_every_page_needs_a_session(console: ServedConsole) -> None:
    person = console.anyone()
    closed = [route for route in routes() if route.path not in OPEN]
    assert len(closed) > 20
    for route in closed:
        path = route.path_format.format(
            account_id="self",
            business_date=DAY,
            file_id="x",
            record_id="r",
            upload_id=_UPLOAD,
            name="n",
            topic="t",
            version=2,
            extract_id="0" * 32,
        )
        for method in route.methods or ():
            response = person.client.request(method, path)
            expected = 303 if method == "GET" or "form" not in response.text else 403
            assert response.status_code in (expected, 403), (method, path, response.status_code)
            assert "self" not in response.text


@pytest.mark.parametrize("path", FOREIGN)
def test_other_accounts_do_not_exist_for_a_user(console: ServedConsole, path: str) -> None:
    store(console.ctx, "stranger", {})
    store(console.ctx, "sibling", {})
    assert console.person("operator", "self").get(path).status_code == 404
    unknown = path.replace("stranger", "unknown").replace("sibling", "unknown").replace("top", "unknown")
    assert console.person("operator", "self").get(unknown).status_code == 404


def test_no_list_shows_other_accounts(console: ServedConsole) -> None:
    red_day(console.ctx, "stranger", calls=12)
    person = console.person("operator", "self")
    for path in (
        "/",
        "/calendar?month=2026-03",
        "/breaks?state=all",
        "/uploads",
        "/audit",
        "/carriers",
        "/deliveries",
        "/accounts",
        "/operations",
        "/carriers/month?carrier=bell&month=2026-03",
        "/search?q=&first=2026-03-01",
    ):
        text = person.text(path)
        assert "stranger" not in text, path
        assert "+4477" not in text, path


def test_breaks_of_other_accounts_cannot_be_decided(console: ServedConsole) -> None:
    red_day(console.ctx, "stranger", calls=12)
    (first, *_) = list_breaks(BreakFilter(), console.ctx)
    form = {"decision": "accepted", "reason": "mine now", "break": f"stranger:{first.outcome_id}:0"}
    assert console.person("operator", "self").send("/breaks/decide", **form).status_code >= 400
    assert {item.state for item in list_breaks(BreakFilter(), console.ctx)} == {"open"}


def test_only_operators_of_all_accounts_manage_users(console: ServedConsole) -> None:
    person = console.person("operator", "self")
    assert person.get("/users").status_code == 403
    assert person.send("/users", name="B. Clerk", role="operator").status_code == 403


def test_a_user_cannot_change_the_own_role(console: ServedConsole) -> None:
    person = console.person("operator")
    person.get("/users")
    refused = person.send("/users/change", name="Operator of all", role="viewer", access="ended")
    assert refused.status_code == 400
    assert person.get("/users").status_code == 200


def file_link(person: Person, path: str, page: str = f"/days/self/{DAY}") -> str:
    """The signed link of a page that begins with a path."""
    links = re.findall(rf'href="({re.escape(path)}[^"]*signature=[^"]*)"', person.get(page).text)
    return unescape(links[0])


def test_viewers_download_only_redacted_files(console: ServedConsole) -> None:
    ctx = console.ctx
    store(ctx, "self", {})
    seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), ctx)
    path = f"/days/self/{DAY}/files/{DAY}_v1_exact"
    assert console.person("viewer").get(path).status_code == 403
    assert path not in console.person("viewer").get(f"/days/self/{DAY}").text
    finance = console.person("finance")
    link = file_link(finance, path)
    assert finance.get(link).status_code == 200
    assert console.person("finance").get(link).status_code == 403


@pytest.mark.parametrize("change", [("signature=", "signature=0"), ("until=", "until=9"), ("account=self", "account=")])
def test_a_changed_link_downloads_nothing(shared_console: ServedConsole, change: tuple[str, str]) -> None:
    person = shared_console.person("finance")
    link = file_link(person, "/breaks", "/breaks?account=self&state=all")
    assert person.get(link).status_code == 200
    refused = person.get(link.replace(*change))
    assert (refused.status_code, "This link has expired" in refused.text) == (403, True)


def test_a_link_that_downloads_expires(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    link = file_link(person, "/breaks", "/breaks?account=self&state=all")
    later = replace(shared_console.ctx, clock=lambda: shared_console.ctx.clock() + timedelta(minutes=16))
    with listening(ServedApp(later)) as url:
        assert person.client.get(url + link).status_code == 403


def test_the_actor_is_the_signed_in_user(console: ServedConsole) -> None:
    ctx = console.ctx
    red_day(ctx, calls=12)
    person = console.person("approver")
    assert person.send(f"/days/self/{DAY}/seal", reason="agreed by phone").status_code == 303
    with ctx.ledger() as ledger:
        (event,) = ledger.day_states.events("self", DAY)
    assert (event.actor, event.reason) == ("approver of all", "agreed by phone")
    assert "approver of all seal" in person.text("/audit")
