"""Logins over the API with name and password, as clients of a switch send them; such clients unchanged."""

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from cdr_pipeline.sources.kazoo.session import Credentials
from cdr_pipeline.steps.accounts import user_logins
from cdr_pipeline.steps.accounts.users import (
    UserRequest,
    accept_invitation,
    change_user,
    invite_user,
    sign_in,
)
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import PERIOD, STARTED, Served, gregorian

PASSWORD = "correct horse battery"
LIST = "/v2/accounts/self/cdrs"


def invite(ctx: RunContext, name: str, account_id: str | None = "self", role: str = "viewer") -> None:
    invitation = invite_user(UserRequest(name, role, account_id), ctx)
    accept_invitation(invitation.secret, PASSWORD, ctx)


@pytest.fixture(scope="module", autouse=True)
def _users(api: Served) -> None:
    """Ann of account self, and one who sees all accounts."""
    invite(api.ctx, "Ann")
    invite(api.ctx, "boss", None, "finance")


def digest(name: str, password: str = PASSWORD, method: str = "md5") -> str:
    return hashlib.new(method, f"{name}:{password}".encode()).hexdigest()


def log_in(api: Served, credentials: str, **data: Any) -> httpx2.Response:
    with api.client() as client:
        return client.put("/v2/user_auth", json={"data": {"credentials": credentials} | data})


@pytest.mark.parametrize("method", ["md5", "sha1"])
@pytest.mark.parametrize("spelling", ["Ann", "ann"])
def test_a_digest_of_name_and_password_logs_in(api: Served, method: str, spelling: str) -> None:
    answer = log_in(api, digest(spelling, method=method), account_name="name of self")
    assert answer.status_code == 201
    assert api.get(LIST, token=answer.json()["auth_token"], **PERIOD).json()["data"]


def test_the_reply_has_the_keys_that_clients_read(api: Served) -> None:
    body = log_in(api, digest("ann"), account_name="Name-of-SELF").json()
    assert body["data"].pop("owner_id")
    assert body["data"] == {
        "account_id": "self", "account_name": "name of self", "scope": "read", "reseller_id": "top",
        "is_reseller": True, "language": "en-us", "apps": [],
    }  # fmt: skip
    assert len(body["auth_token"].split(".")) == 3


def test_a_login_by_key_has_the_same_keys(api: Served) -> None:
    with api.client() as client:
        data = client.put("/v1/api_auth", json={"data": {"api_key": api.tokens["child"]}}).json()["data"]
    assert (data["account_name"], data["reseller_id"], data["is_reseller"]) == ("name of child", "self", False)


@pytest.mark.parametrize("key", ["account_realm", "realm"])
def test_an_account_is_also_named_by_its_realm(api: Served, key: str) -> None:
    with api.ctx.ledger() as ledger:
        ledger.accounts.set_name_and_parent("self", name="name of self", parent_id="top", realm="self.example")
    answer = log_in(api, digest("ann"), **{key: "SELF.example"})
    assert answer.json()["data"]["account_id"] == "self"
    assert api.get("/v2/accounts/self").json()["data"]["realm"] == "self.example"


@pytest.mark.parametrize(
    ("credentials", "account"),
    [
        (digest("ann", "wrong password"), "name of self"),
        (digest("nobody"), "name of self"),
        (digest("ann"), "name of top"),
        (digest("ann"), "no such account"),
    ],
    ids=["password", "name", "account above", "account"],
)
def test_what_is_wrong_with_a_login_is_not_told(api: Served, credentials: str, account: str) -> None:
    answer = log_in(api, credentials, account_name=account)
    assert (answer.status_code, answer.json()["message"]) == (401, "invalid_credentials")


def test_the_token_opens_the_named_account_and_those_below(api: Served) -> None:
    token = log_in(api, digest("boss"), account_name="name of self").json()["auth_token"]
    assert api.get("/v2/accounts/child/cdrs", token=token).status_code == 200
    assert api.get("/v2/accounts/top/cdrs", token=token).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"credentials": "short", "account_name": "a"}},
        {"data": {"credentials": digest("ann")}},
        {"data": {"account_name": "a"}},
        {"data": {"credentials": digest("ann"), "account_name": "a\0"}},
        {},
    ],
)
def test_an_incomplete_login_is_400(api: Served, body: dict[str, Any]) -> None:
    with api.client() as client:
        assert client.put("/v2/user_auth", json=body).status_code == 400


def test_tokens_of_a_user_end_when_the_user_is_disabled(api: Served) -> None:
    invite(api.ctx, "leaver")
    token = log_in(api, digest("leaver"), account_name="name of self").json()["auth_token"]
    change_user("leaver", api.ctx, disabled=True)
    assert api.get(LIST, token=token, **PERIOD).status_code == 401
    assert log_in(api, digest("leaver"), account_name="name of self").status_code == 401


def test_an_older_password_can_log_in_after_the_next_sign_in(api: Served) -> None:
    invite(api.ctx, "old")
    with api.ctx.ledger() as ledger:
        ledger.connection.execute("UPDATE console_users SET api_credentials = '{}' WHERE name = 'old'")
    assert log_in(api, digest("old"), account_name="name of self").status_code == 401
    sign_in("old", PASSWORD, api.ctx)
    assert log_in(api, digest("old"), account_name="name of self").status_code == 201


def test_no_digest_is_stored(api: Served) -> None:
    with api.ctx.ledger() as ledger:
        stored = ledger.connection.execute("SELECT api_credentials::text FROM console_users").fetchall()
    assert len(stored) >= 2
    assert not any(digest(name, method=method) in str(stored) for name in ("Ann", "ann") for method in ("md5", "sha1"))


def test_the_pipelines_own_client_logs_in_with_its_body(api: Served) -> None:
    route, body = Credentials(user="Ann", password=PASSWORD, account_name="name of self").login()
    with api.client() as client:
        answer = client.put(f"/v2/{route}", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["data"]["account_id"] == "self"


def test_logins_by_password_can_be_switched_off(api: Served) -> None:
    off = replace(api.ctx, settings=api.ctx.settings.model_copy(update={"password_sign_in": False}))
    assert user_logins.log_in(user_logins.PasswordLogin(digest("ann"), "name of self"), off) is None


@pytest.mark.parametrize("path", ["users", "devices"])
def test_what_is_not_collected_is_an_empty_list(api: Served, path: str) -> None:
    answer = api.get(f"/v2/accounts/self/{path}", paginate="false")
    assert (answer.status_code, answer.json()["data"]) == (200, [])


# --- Clients of a switch ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sdk() -> Any:
    """The package kazoo-sdk, unchanged. The package kazoo (a client of ZooKeeper) has the same module name."""
    decoder = json._default_decoder  # type: ignore[attr-defined]
    package = pytest.importorskip("kazoo", reason="the package kazoo-sdk is not installed")
    # The package replaces it for the whole process: objects with their keys in another order would differ.
    json._default_decoder = decoder  # type: ignore[attr-defined]
    if not hasattr(package, "Client"):
        pytest.skip("another package with the module kazoo is installed")
    return package


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_python_sdk_works_unchanged(api: Served, sdk: Any, version: str) -> None:
    client = sdk.Client(base_url=f"{api.url}/{version}", username="ann", password=PASSWORD, account_name="name of self")
    client.authenticate()
    assert client.get_account("self")["data"]["name"] == "name of self"
    assert [row["id"] for row in client.get_account_children("self")["data"]] == ["child"]
    assert client.get_account_descendants("self")["data"][0]["tree"] == ["self"]
    assert client.get_users("self")["data"] == client.get_devices("self")["data"] == []
    done, rows = client.manual_request(f"/accounts/self/cdrs?created_from={gregorian(STARTED)}&created_to="
                                       f"{gregorian(STARTED + timedelta(days=1))}")  # fmt: skip
    assert done
    assert {row["id"] for row in rows} == {"202603-call1", "202603-call2"}


def test_the_python_sdk_raises_its_own_errors(api: Served, sdk: Any) -> None:
    client = sdk.Client(base_url=f"{api.url}/v1", username="ann", password="wrong", account_name="name of self")
    with pytest.raises(sdk.client.KazooApiAuthenticationError):
        client.authenticate()
    client = sdk.Client(base_url=f"{api.url}/v1", api_key=api.tokens["self"])
    client.authenticate()
    with pytest.raises(Exception, match="Request ID"):
        client.get_account("stranger")


def test_what_the_php_sdk_sends_and_reads(api: Served) -> None:
    headers = {"X-Auth-Token": "", "Accept": "application/json", "User-Agent": "kazoo-php-sdk"}
    with httpx2.Client(base_url=f"{api.url}/v2", headers=headers, timeout=30) as client:
        with api.ctx.ledger() as ledger:
            ledger.accounts.set_name_and_parent("self", name="name of self", parent_id="top", realm="self.example")
        login = {"data": {"credentials": digest("ann"), "realm": "self.example"}}
        reply = client.put("/user_auth", json=login)
        assert reply.json()["data"]["owner_id"]
        assert reply.headers["X-Request-ID"]
        client.headers["X-Auth-Token"] = reply.json()["auth_token"]
        rows = client.get("/accounts/self/cdrs", params=PERIOD).json()["data"]
        assert client.get(f"/accounts/self/cdrs/{rows[0]['id']}").json()["data"]["id"] == rows[0]["id"]
        missing = client.get("/accounts/self/cdrs/202603-none").json()
        assert (missing["error"], missing["status"], missing["message"]) == ("404", "error", "bad_identifier")


def test_what_monster_ui_sends_and_reads(api: Served) -> None:
    login = {"data": {"credentials": digest("ann"), "account_name": "name of self", "ui_metadata": {"version": "5"}}}
    with httpx2.Client(base_url=f"{api.url}/v2/", headers={"X-Auth-Token": "undefined"}, timeout=30) as client:
        client.headers["X-Auth-Token"] = client.put("user_auth?_=1", json=login).json()["auth_token"]
        period = {name: gregorian(datetime.fromisoformat(moment)) for name, moment in PERIOD.items()}
        rows = client.get("accounts/self/cdrs/interaction", params=period | {"page_size": 50, "_": 2}).json()["data"]
        assert rows
        assert client.get(f"accounts/self/cdrs/legs/{rows[0]['id']}", params={"_": 3}).json()["data"]
        assert client.get(f"accounts/self/cdrs/{rows[0]['id']}", params={"_": 4}).json()["data"]
        table = client.get(
            "accounts/self/cdrs",
            params=period | {"paginate": "false", "accept": "text/csv", "auth_token": client.headers["X-Auth-Token"]},
        )
        assert table.headers["Content-Type"].startswith("text/csv")
        assert len(table.text.splitlines()) > len(rows)
