"""Requests of Monster UI and of the PHP SDK, as they send them, and the fields that they read from the answers.

The clients themselves run in ``test_api_monster_ui`` and ``test_api_php_client`` where they are installed.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.accounts.users import UserRequest, accept_invitation, change_user, invite_user
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.databases import copied_database
from tests.support.own_clock import by_own_clock
from tests.support.serving import STARTED, Served, gregorian, serving, store, token_for

ORIGIN = "https://portal.example"
PASSWORD = "correct horse battery"
DIGEST = hashlib.md5(f"ann:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
APPS = "dt-calllogs,other"


@dataclass(frozen=True, slots=True)
class Portal:
    """A browser with the portal open: jQuery's requests from another origin."""

    api: Served
    token: str
    user_id: str

    def send(self, method: str, path: str, body: object = None, token: str | None = None) -> httpx2.Response:
        """A request with its preflight; GETs have jQuery's ``_``."""
        headers = {"Origin": ORIGIN, "Accept": "application/json, text/javascript, */*; q=0.01"}
        names = "content-type" if token is None else "content-type,x-auth-token"
        wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
        with self.api.client() as client:
            preflight = client.options(path, headers=headers | wanted)
            assert preflight.status_code == 200
            assert method in preflight.headers["access-control-allow-methods"]
            headers |= {"Content-Type": "application/json"} | ({} if token is None else {"X-Auth-Token": token})
            if method == "GET":
                path += ("&" if "?" in path else "?") + "_=1795811802041"
            answer = client.request(method, path, headers=headers, content=None if body is None else json.dumps(body))
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        # The SDK parses a body only if its media type is exactly this one.
        assert answer.headers["content-type"] == "application/json"
        return answer

    def read(self, path: str) -> httpx2.Response:
        """A GET with the token of the login."""
        return self.send("GET", path, token=self.token)


@pytest.fixture(scope="module")
def portal(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal after its login."""
    folder = tmp_path_factory.mktemp("portal")
    with copied_database(embedded_server) as url:
        settings = Settings(
            data_dir=folder / "data",
            warehouse_url=SecretStr(url),
            serve_origins=ORIGIN,
            serve_portal_apps=APPS,
            serve_requests_per_second=0,
        )
        ctx = RunContext.open(by_own_clock(settings), clock=lambda: datetime(2026, 3, 20, 12, tzinfo=UTC))
        yield from _logged_in(ctx)


def _logged_in(ctx: RunContext) -> Iterator[Portal]:
    with serving(ctx) as api:
        store(ctx, "self", *({"interaction_id": f"talk{number}"} for number in range(60)))
        invitation = invite_user(UserRequest("ann", "viewer", "self"), api.ctx)
        accept_invitation(invitation.secret, PASSWORD, api.ctx)
        before = Portal(api, "", "")
        # Requests of some versions carry the portal's own metadata.
        data = {"credentials": DIGEST, "account_name": "name of self", "ui_metadata": {"ui": "monster-ui"}}
        login = before.send("PUT", "/v2/user_auth", {"data": data})
        assert login.status_code == 201
        yield Portal(api, login.json()["auth_token"], login.json()["data"]["owner_id"])


def period() -> str:
    start, end = gregorian(STARTED - timedelta(hours=1)), gregorian(STARTED + timedelta(days=1))
    return f"created_from={start}&created_to={end}&page_size=50"


def test_the_token_of_a_login_is_decoded_by_the_portal(portal: Portal) -> None:
    claims = portal.token.split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (decoded["account_id"], decoded["owner_id"]) == ("self", portal.user_id)
    assert decoded["exp"] > 0


def test_no_other_token_with_the_same_claims_is_valid(portal: Portal) -> None:
    head, claims, _ = portal.token.split(".")
    for forged in (f"{head}.{claims}.", f"{head}.{claims}.{'A' * 43}", f"{head}.{claims}"):
        assert portal.send("GET", "/v2/accounts/self", token=forged).status_code == 401


def test_tokeninfo_repeats_the_answer_of_the_login(portal: Portal) -> None:
    posted = portal.send("POST", "/v2/auth/tokeninfo", {"data": {"token": portal.token}})
    assert posted.status_code == 200
    assert posted.json()["auth_token"] == portal.token
    data = posted.json()["data"]
    assert (data["account_id"], data["account_name"], data["owner_id"]) == ("self", "name of self", portal.user_id)
    assert (data["reseller_id"], data["is_reseller"]) == ("top", True)
    in_url = portal.send("GET", f"/v2/auth/tokeninfo?token={portal.token}")
    assert in_url.json()["data"] == data
    assert "deprecation" in in_url.headers


@pytest.mark.parametrize("token", ["x", "a.b.c"])
def test_tokeninfo_of_an_unknown_token_is_401(portal: Portal, token: str) -> None:
    assert portal.send("POST", "/v2/auth/tokeninfo", {"data": {"token": token}}).status_code == 401
    assert portal.send("GET", f"/v2/auth/tokeninfo?token={token}").status_code == 401


def test_tokeninfo_without_a_token_is_refused(portal: Portal) -> None:
    assert portal.send("GET", "/v2/auth/tokeninfo").status_code == 404
    assert portal.send("POST", "/v2/auth/tokeninfo", {"data": {}}).status_code == 400


def test_what_the_portal_reads_after_the_login_is_there(portal: Portal) -> None:
    account = portal.read("/v2/accounts/self").json()
    assert account["version"]
    assert {"id", "name", "realm", "timezone"} <= set(account["data"])
    user = portal.read(f"/v2/accounts/self/users/{portal.user_id}").json()["data"]
    assert (user["id"], user["first_name"], user["last_name"], user["priv_level"]) == (
        portal.user_id,
        "ann",
        "",
        "user",
    )
    apps = portal.read("/v2/accounts/self/apps_store").json()["data"]
    assert [(app["id"], app["name"], app["allowed_users"]) for app in apps] == [
        ("dt-calllogs", "dt-calllogs", "all"), ("other", "other", "all"),
    ]  # fmt: skip
    assert all(app["i18n"]["en-US"]["label"] for app in apps)
    children = portal.read("/v2/accounts/self/children?ascending=true").json()["data"]
    assert [row["id"] for row in children] == ["child"]
    assert portal.read("/v2/accounts/self/devices?paginate=false").json()["data"] == []
    assert portal.read("/v2/accounts/self/users").json()["data"] == []


@pytest.mark.parametrize(
    "path",
    ["whitelabel/localhost", "accounts/self/limits", "accounts/self/alerts", "accounts/self/external_numbers"],
)  # fmt: skip
def test_what_the_portal_can_do_without_is_404(portal: Portal, path: str) -> None:
    assert portal.read(f"/v2/{path}").status_code == 404


def test_the_log_of_calls_is_read_in_pages(portal: Portal) -> None:
    path = f"/v2/accounts/self/cdrs/interaction?{period()}"
    first = portal.read(path).json()
    rest = portal.read(f"{path}&start_key={first['next_start_key']}").json()
    assert (len(first["data"]), len(rest["data"])) == (50, 10)
    assert "next_start_key" not in rest
    row = first["data"][0]
    assert {
        "id", "call_id", "timestamp", "duration_seconds", "caller_id_name", "caller_id_number", "callee_id_name",
        "callee_id_number", "from", "to", "hangup_cause", "other_leg_call_id", "media_server", "authorizing_id",
    } <= set(row)  # fmt: skip
    legs = portal.read(f"/v2/accounts/self/cdrs/legs/{row['id']}").json()["data"]
    assert [leg["call_id"] for leg in legs] == [row["call_id"]]
    assert portal.read(f"/v2/accounts/self/cdrs/{row['id']}").json()["data"]["call_id"] == row["call_id"]


def test_the_download_link_of_the_log_is_a_csv(portal: Portal) -> None:
    path = f"/v2/accounts/self/cdrs?{period().rpartition('&')[0]}&paginate=false&accept=text/csv"
    with portal.api.client() as client:
        answer = client.get(f"{path}&auth_token={portal.token}")
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text.splitlines()) == 61


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_changes_of_an_account_are_405_that_the_portal_reads(portal: Portal, method: str) -> None:
    answer = portal.send(method, "/v2/accounts/self", {"data": {"ui_metadata": {}}}, token=portal.token)
    assert (answer.status_code, answer.json()["message"]) == (405, "invalid_method")


def test_only_the_own_user_is_shown(portal: Portal) -> None:
    other = invite_user(UserRequest("bob", "operator", None), portal.api.ctx).user.user_id
    assert portal.read(f"/v2/accounts/self/users/{other}").status_code == 404
    key = token_for(portal.api.ctx, "self")
    assert portal.send("GET", f"/v2/accounts/self/users/{portal.user_id}", token=key).status_code == 404


def test_an_operator_is_an_administrator_of_the_portal(portal: Portal) -> None:
    invitation = invite_user(UserRequest("eve", "operator", "self"), portal.api.ctx)
    accept_invitation(invitation.secret, PASSWORD, portal.api.ctx)
    digest = hashlib.md5(f"eve:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
    login = portal.send("PUT", "/v2/user_auth", {"data": {"credentials": digest, "account_name": "name of self"}})
    path = f"/v2/accounts/self/users/{login.json()['data']['owner_id']}"
    assert portal.send("GET", path, token=login.json()["auth_token"]).json()["data"]["priv_level"] == "admin"


def test_the_php_sdk_is_answered_as_it_sends(portal: Portal) -> None:
    sent = {"User-Agent": "kazoo-php-sdk", "Content-Type": "application/json", "Accept": "application/json"}
    with portal.api.client() as client:
        # Before its login it sends an empty token.
        body = json.dumps({"data": {"api_key": portal.api.tokens["self"]}})
        login = client.put("/v2/api_auth", content=body, headers=sent | {"X-Auth-Token": ""}).json()
        assert login["data"]["account_id"] == "self"
        headers = sent | {"X-Auth-Token": login["auth_token"]}
        for path in ("", f"/cdrs?{period()}", f"/users/u1/cdrs?{period()}", "/children", "/descendants", "/devices"):
            answer = client.get(f"/v2/accounts/self{path}", headers=headers)
            assert answer.status_code == 200, path
            assert "data" in answer.json()


def test_page_sizes_of_accounts_are_those_requested(portal: Portal) -> None:
    first = portal.send("GET", "/v2/accounts/top/children?page_size=1", token=portal.api.tokens["top"]).json()
    assert ([row["id"] for row in first["data"]], first["next_start_key"]) == (["self"], "self")


@pytest.mark.parametrize("text", ["Call Logs", "../x", "a,b c"])
def test_names_of_portal_apps_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be names of apps"):
        Settings(serve_portal_apps=text)


def test_the_user_of_a_disabled_login_is_not_shown(portal: Portal) -> None:
    invitation = invite_user(UserRequest("gone", "viewer", "self"), portal.api.ctx)
    accept_invitation(invitation.secret, PASSWORD, portal.api.ctx)
    digest = hashlib.md5(f"gone:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
    data: dict[str, Any] = {"credentials": digest, "account_name": "name of self"}
    login = portal.send("PUT", "/v2/user_auth", {"data": data}).json()
    change_user("gone", portal.api.ctx, disabled=True)
    assert portal.send("POST", "/v2/auth/tokeninfo", {"data": {"token": login["auth_token"]}}).status_code == 401
