"""The console on a free loopback port, with users of every role, and a browser-like client of it."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any, Final

import httpx2

from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.steps.accounts.users import UserRequest, accept_invitation, invite_user
from cdr_pipeline.steps.run_context import RunContext
from tests.support.carriers import drop, reconciled
from tests.support.serving import know, listening, store

PASSWORD: Final = "correct horse battery"


@dataclass(slots=True)
class Person:
    """A signed-in browser without scripts: keeps cookies, sends the forms of pages."""

    client: httpx2.Client
    csrf: str = field(default="", init=False)

    def get(self, path: str, **query: Any) -> httpx2.Response:
        """Opens a page."""
        response = self.client.get(path, params=query or None)
        if token := re.search(r'name="csrf" value="(\w+)"', response.text):
            self.csrf = token[1]
        return response

    def send(self, path: str, **form: Any) -> httpx2.Response:
        """Sends a form with the token of the last page that had one."""
        if not self.csrf:
            self.get("/")
        return self.client.post(path, data={"csrf": self.csrf} | form)

    def download(self, path: str, **query: Any) -> httpx2.Response:
        """Follows the link of a page that downloads its table in the ``format`` of the query."""
        kind = query.pop("format")
        (link,) = [item for item in self.links(path, **query) if f"format={kind}" in item][:1]
        return self.client.get(link)

    def links(self, path: str, **query: Any) -> list[str]:
        """Links of a page that download something."""
        found = re.findall(r'href="([^"]+)" download', self.get(path, **query).text)
        return [unescape(link) for link in found if "signature=" in link]

    def text(self, path: str, **query: Any) -> str:
        """Visible text of a page."""
        response = self.get(path, **query)
        assert response.status_code == 200, response.text
        return visible_text(response.text)


@dataclass(slots=True)
class ServedConsole:
    """A running console."""

    url: str
    ctx: RunContext
    _clients: list[httpx2.Client] = field(default_factory=list)

    def anyone(self) -> Person:
        """A browser without a session."""
        self._clients.append(httpx2.Client(base_url=self.url, timeout=30))
        return Person(self._clients[-1])

    def close(self) -> None:
        """Closes all browsers."""
        for client in self._clients:
            client.close()

    def person(self, role: str, account_id: str | None = None) -> Person:
        """A browser that is signed in as a new user of this role."""
        person = self.anyone()
        person.client.cookies.set("cdr_session", self.session(role, account_id))
        return person

    def session(self, role: str, account_id: str | None = None) -> str:
        """Secret of a session of a user of this role; the user is added if needed."""
        name = f"{role} of {account_id or 'all'}"
        invitation = invite_user(UserRequest(name, role, account_id), self.ctx)
        return accept_invitation(invitation.secret, PASSWORD, self.ctx)


def visible_text(html: str) -> str:
    """Text of a page with single blanks, without tags."""
    without = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", without))).strip()


@contextmanager
def serving_console(ctx: RunContext) -> Iterator[ServedConsole]:
    """Serves API and console while the block runs, over the accounts of ``serving.TREE``."""
    know(ctx)
    with listening(ServedApp(ctx)) as url, closing(ServedConsole(url, ctx)) as served:
        yield served


DAY: Final = date(2026, 3, 2)
_HEADER: Final = (
    "id,call_id,caller,callee,start_time,answer_time,duration_seconds,billing_seconds,cost,currency,carrier"
)


def red_day(ctx: RunContext, account_id: str = "self", calls: int = 40) -> None:
    """A completely collected day whose carrier charges each call twice the switch's price, reconciled: red."""
    with ctx.ledger() as ledger:
        ledger.connection.execute(
            "INSERT INTO days (account_id, business_date, state, changes, exported_changes, complete_through,"
            " collected_at) SELECT %s, day, 'open', 0, 0, day + interval '2 days', day + interval '2 days'"
            " FROM generate_series(date '2026-03-01', date '2026-03-04', interval '1 day') AS day",
            [account_id],
        )
    starts = [datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(minutes=5 * index) for index in range(calls)]
    store(
        ctx,
        account_id,
        *(
            {
                "record_id": f"202603-leg{index}", "call_id": f"leg-{index}", "started_at": start,
                "call_direction": "outbound", "answered_at": start, "answered": True, "duration_seconds": "60",
                "billing_seconds": "60", "cost": "0.10", "cost_currency": "USD",
                "caller_id_number": "+442079460001", "caller_e164": "+442079460001",
                "callee_id_number": _number(index), "callee_e164": _number(index),
            }
            for index, start in enumerate(starts)
        ),
    )  # fmt: skip
    lines = [
        f"c{index},,+442079460001,{_number(index)},{start:%Y-%m-%dT%H:%M:%SZ},{start:%Y-%m-%dT%H:%M:%SZ},60,60,0.20,USD,bell"
        for index, start in enumerate(starts)
    ]
    drop(ctx, account_id, "\n".join([_HEADER, *lines]))
    reconciled(ctx, DAY, account_id)


def _number(index: int) -> str:
    return f"+44770090{index:04d}"
