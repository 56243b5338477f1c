"""Every page of the console: an address for each route, and the pages with which forms answer.

Routes are taken from the application, so a route without an address here fails the tests that visit all pages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Final

from fastapi.routing import APIRoute

from cdr_pipeline.console.app import SCREENS
from cdr_pipeline.steps.accounts.users import UserRequest, invite_user, local_sign_in_link
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files
from cdr_pipeline.steps.run_context import RunContext
from tests.support.console import DAY, Person, ServedConsole, red_day, visible_text
from tests.support.serving import store

HEADER: Final = "id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency\n"
_MONTH: Final = f"{DAY:%Y-%m}"
# GET routes that answer with files, JSON or another address.
NOT_PAGES: Final = frozenset(
    {
        "/accounts/names",
        "/breaks/pack/{account_id}/{business_date}",
        "/days/{account_id}/{business_date}/files/{file_id}",
        "/extracts/{account_id}/{extract_id}",
        "/help/pictures/{name}",
    }
)
# Forms that lead to another page with any values.
REDIRECTING: Final = frozenset(
    {"/breaks/decide", "/days/{account_id}/{business_date}/confirm", "/days/{account_id}/{business_date}/dismiss",
     "/days/{account_id}/{business_date}/restate", "/extracts", "/extracts/delete",
     "/link/{secret}", "/rules/end", "/sign-out", "/uploads/decide",
     "/uploads/load", "/users/change"}
)  # fmt: skip
_INBOUND: Final = """
[share]
url = "{folder}"
pattern = "calls_%Y%m%d.csv"
account = "self"
profile = "generic"
whole = "at_once"
every = "day"
due = "06:00"
first_date = 2026-03-08

[gone]
url = "{folder}/away"
pattern = "*.csv"
account = "stranger"
profile = "generic"
"""


def fetch_inbound(ctx: RunContext) -> None:
    """Fetches from a place with one of two expected files, and from one that does not exist."""
    (share := ctx.settings.inbound_file.parent / "carrier").mkdir()
    (share / "calls_20260308.csv").write_text(HEADER)
    ctx.settings.inbound_file.write_text(_INBOUND.format(folder=share))
    fetch_files(FetchRequest(), ctx)


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """One page.

    Attributes:
        path: address without the server.
        status: expected HTTP status.
        fields: fields of the form whose answer is the page; None for a page that is opened by its address.
        file: name and content of the file that the form sends.
        signed_in: whether the page is visited by a signed-in operator; otherwise by a browser without a session.
    """

    path: str
    status: int = 200
    fields: Mapping[str, str] | None = None
    file: tuple[str, str] | None = None
    signed_in: bool = True

    @property
    def name(self) -> str:
        """What a failure calls the page."""
        return self.path if self.fields is None else f"form {self.path} {sorted(self.fields)}"


@dataclass(slots=True)
class AllPages:
    """Pages by the path of their route."""

    opened: dict[str, list[ConsolePage]] = field(default_factory=dict)
    answered: dict[str, list[ConsolePage]] = field(default_factory=dict)

    def missing(self) -> set[str]:
        """Routes of the console that no page and no exception names."""
        known = set(self.opened) | NOT_PAGES
        sent = set(self.answered) | REDIRECTING
        return {
            f"{method} {route.path}"
            for screen in SCREENS
            for route in screen.router.routes
            if isinstance(route, APIRoute)
            for method in route.methods or ()
            if route.path not in (known if method == "GET" else sent)
        }

    def every(self) -> list[ConsolePage]:
        """All pages, the answers of forms last."""
        return [page for group in (self.opened, self.answered) for pages in group.values() for page in pages]


def all_pages(console: ServedConsole) -> AllPages:
    """Fills the console's account ``self`` so that no table is empty, and lists every page."""
    ctx, operator = console.ctx, console.person("operator")
    rejected, key = _filled(console, operator)
    invited = invite_user(UserRequest("C. Newcomer", "viewer", None), ctx)
    operator.send("/extracts", account="self", first="2026-01-01", last="2026-06-30", form="csv")
    day, rejects = f"/days/self/{DAY}", f"/uploads/self/{rejected}/rejects"
    numbers = f"account=self&first={DAY}&last={DAY}"
    sample = ("sample.csv", HEADER + _line("x1") + _line("x2", start="never"))
    unknown = ("unknown.csv", "When;Who;Whom;Secs\n2026-03-05 08:00:00;+442079460001;+447700900001;60\n")
    of_carrier = {"account": "self", "carrier": "bell", "number": "R-1", "first": str(DAY), "last": str(DAY)}
    pages = AllPages(
        opened={
            "/sign-in": [ConsolePage("/sign-in?next=/calendar", signed_in=False)],
            "/sign-in/provider": [ConsolePage("/sign-in/provider", 401, signed_in=False)],
            "/sign-in/provider/answer": [ConsolePage("/sign-in/provider/answer?state=x", 401, signed_in=False)],
            "/invitation/{secret}": [
                ConsolePage(f"/invitation/{invited.secret}", signed_in=False),
                ConsolePage("/invitation/used", 410, signed_in=False),
            ],
            "/link/{secret}": [ConsolePage("/link/used", signed_in=False)],
            "/": [ConsolePage("/")],
            "/calendar": [ConsolePage(f"/calendar?month={_MONTH}"), ConsolePage("/calendar?name=nothing")],
            "/days/{account_id}/{business_date}": [
                ConsolePage(day), ConsolePage("/days/self/2026-03-05"), ConsolePage("/days/self/2026-03-04"),
                ConsolePage("/days/self/2026-03-08"),
            ],
            "/days/{account_id}/{business_date}/versions/{version}": [ConsolePage(f"{day}/versions/2")],
            "/breaks": [
                ConsolePage("/breaks?account=self&state=all"), ConsolePage("/breaks?account=child"),
                ConsolePage("/breaks?account=stranger"),
            ],
            "/rules": [ConsolePage("/rules")],
            "/carriers": [ConsolePage("/carriers")],
            "/carriers/month": [
                ConsolePage(f"/carriers/month?carrier=bell&month={_MONTH}"),
                ConsolePage("/carriers/month?carrier=bell&month=2020-01"),
            ],
            "/invoices": [ConsolePage("/invoices?account=self&carrier=bell&number=R-1")],
            "/uploads": [ConsolePage("/uploads"), ConsolePage("/uploads?state=discarded")],
            "/uploads/{account_id}/{upload_id}/rejects": [ConsolePage(rejects)],
            "/inbound": [ConsolePage("/inbound")],
            "/profiles": [ConsolePage("/profiles")],
            "/profiles/edit": [ConsolePage("/profiles/edit?name=generic")],
            "/search": [
                ConsolePage("/search"), ConsolePage(f"/search?q=&{numbers}"), ConsolePage(f"/search?q=none&{numbers}"),
            ],
            "/extracts": [ConsolePage("/extracts?account=self"), ConsolePage("/extracts?account=child")],
            "/records/{account_id}/{record_id:path}": [ConsolePage("/records/self/202603-leg0")],
            "/deliveries": [ConsolePage("/deliveries")],
            "/accounts": [ConsolePage("/accounts")],
            "/operations": [ConsolePage("/operations")],
            "/audit": [ConsolePage("/audit")],
            "/users": [ConsolePage("/users")],
            "/times": [ConsolePage("/times?next=/calendar")],
            "/help": [ConsolePage("/help")],
            "/help/{topic:path}": [ConsolePage("/help/how-to/finance"), ConsolePage("/help/nothing", 404)],
        },
        answered={
            "/sign-in": [ConsolePage("/sign-in", 401, {"name": "C. Newcomer", "password": "x"}, signed_in=False)],
            "/invitation/{secret}": [
                ConsolePage(f"/invitation/{invited.secret}", 400, {"password": "short"}, signed_in=False)
            ],
            "/uploads": [
                ConsolePage("/uploads", 200, {"account": "self", "profile": "generic"}, sample),
                ConsolePage("/uploads", 200, {"account": "self", "profile": ""}, unknown),
                ConsolePage("/uploads", 400, {"account": "self", "profile": "nothing"}, ("x.csv", "no record\n")),
            ],
            "/uploads/try": [ConsolePage("/uploads/try", 200, {"key": key, "profile": "generic"})],
            "/profiles/draft": [ConsolePage("/profiles/draft", 200, {"key": key, "answer-zone": "Europe/London"})],
            "/profiles/edit": [
                ConsolePage("/profiles/edit", 200, {"name": "mine", "text": _toml(operator)}, sample),
                ConsolePage("/profiles/edit", 400, {"name": "mine", "text": "no = [toml"}),
            ],
            "/uploads/{account_id}/{upload_id}/rejects": [ConsolePage(rejects, 400, {})],
            "/rules": [ConsolePage("/rules", 200, {"account": "child", "carrier": "bell"})],
            "/invoices": [ConsolePage("/invoices", 400, of_carrier | {"total": "many", "currency": "USD"})],
            "/days/{account_id}/{business_date}/verify": [ConsolePage(f"{day}/verify", 200, {})],
            "/days/{account_id}/{business_date}/seal": [ConsolePage(f"/days/child/{DAY}/seal", 409, {})],
            "/calendar": [
                ConsolePage(
                    "/calendar", 200, {"account": "child", "act": "seal", "first": str(DAY), "last": str(DAY)}
                ),
                ConsolePage("/calendar", 400, {"act": "seal", "first": str(DAY), "last": str(DAY)}),
            ],
            "/times": [ConsolePage("/times", 400, {"zone": "Europe/Nowhere"})],
            "/operations/run": [ConsolePage("/operations/run", 400, {"date": "2999-01-01"})],
            "/users": [ConsolePage("/users", 200, {"name": "D. Clerk", "role": "viewer"})],
        },
    )  # fmt: skip
    pages.opened["/link/{secret}"].append(
        ConsolePage(f"/link/{local_sign_in_link('A. Controller', ctx).secret}?show", signed_in=False)
    )
    return pages


def _filled(console: ServedConsole, operator: Person) -> tuple[str, str]:
    """Id of an upload with rejected lines, and key of a staged file."""
    ctx = console.ctx
    seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), ctx)
    store(ctx, "self", {"record_id": "202603-late", "call_id": "late", "cost": "0.5"})
    restate_days(RestateRequest("A. Controller", "late record", [DAY], ["self"]), ctx)
    red_day(ctx, "child", calls=3)
    with ctx.ledger() as ledger:
        ledger.connection.execute(
            "INSERT INTO deliveries (account_id, target, path, business_date, version, sha256, bytes, state, attempts,"
            " due_at, error_code) SELECT 'self', 'bookkeeper', 'self/cdrs_' || state, %s, 1, repeat('a', 64), 9, state,"
            " 1, %s, CASE state WHEN 'refused' THEN 'delivery_refused' END FROM unnest(%s::text[]) AS state",
            [DAY, ctx.clock(), ["pending", "refused", "delivered"]],
        )
    lines = _line("f1") + _line("f2", start="never") + _line("f3", seconds="long")
    _loaded(operator, "rejected.csv", HEADER + lines)
    _loaded(operator, "first.csv", HEADER + _line("g1") + _line("g2"))
    _loaded(operator, "held.csv", HEADER + _line("g1") + _line("g2") + _line("g3"))
    form = {"account": "self", "carrier": "bell", "number": "R-1", "first": str(DAY), "last": str(DAY)}
    operator.send("/invoices", **form, total="3.00", currency="USD")
    operator.send("/rules", carrier="acme", reason="agreed", account="self", action="add")
    fetch_inbound(ctx)
    with ctx.ledger() as ledger:
        (rejected,) = (item.sha256 for item in ledger.uploads.list_all(["self"]) if item.rows_rejected)
    return rejected, _staged(operator, "staged.csv", HEADER + _line("s1"))


def _line(name: str, start: str = "2026-03-05T08:00:00Z", seconds: str = "60") -> str:
    return f"{name},+442079460001,+447700900001,{start},{seconds},60,0.20,USD\n"


def _staged(person: Person, name: str, content: str) -> str:
    """Key of a file that was sent and not loaded."""
    person.get("/uploads")
    data = {"csrf": person.csrf, "account": "self", "profile": "generic"}
    answer = person.client.post("/uploads", data=data, files={"file": (name, content.encode(), "text/csv")})
    found = re.search(r'name="key" value="(\w+)"', answer.text)
    assert found is not None, answer.text
    return found[1]


def _loaded(person: Person, name: str, content: str) -> None:
    person.send("/uploads/load", key=_staged(person, name, content))


def _toml(person: Person) -> str:
    found = re.search(
        r'<textarea id="text"[^>]*>(.*?)</textarea>', person.get("/profiles/edit?name=generic").text, re.DOTALL
    )
    assert found is not None
    return unescape(found[1])


def visited(person: Person, page: ConsolePage) -> str:
    """HTML of the page, opened or sent by this person."""
    if page.fields is None:
        answer = person.get(page.path)
    else:
        person.get("/times")
        files = {"file": (page.file[0], page.file[1].encode(), "text/csv")} if page.file else None
        answer = person.client.post(page.path, data={"csrf": person.csrf, **page.fields}, files=files)
    assert (page.name, answer.status_code) == (page.name, page.status), visible_text(answer.text)
    return answer.text
