"""Attacks on who may ask: tokens, subtrees, rates."""

import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest

from cdr_pipeline.api.filters.kazoo import KAZOO_FILTERS
from cdr_pipeline.api.filters.own import FILTERS
from cdr_pipeline.api.gate import masked_query
from cdr_pipeline.steps.accounts.api_tokens import list_tokens, revoke_token
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.tenancy import scoped
from tests.support.serving import PERIOD, Served, logged, serving, store, token_for

LIST = "/v2/accounts/self/cdrs"
WRONG = "0" * 64
NO_UPLOAD = "0" * 64


@pytest.mark.fault("E01")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Auth-Token": ""},
        {"X-Auth-Token": WRONG},
        {"X-Auth-Token": "x" * 5_000},
        {"Authorization": f"Bearer {WRONG}"},
        {"Authorization": "Basic c2VsZjpzZWNyZXQ="},
        {"Authorization": "Negotiate abc"},
    ],
)
def test_no_token_a_wrong_one_and_another_scheme_are_all_the_same_401(api: Served, headers: dict[str, str]) -> None:
    with api.client(**headers) as client:
        answer = client.get(LIST, params=PERIOD)
    assert answer.status_code == 401
    assert (answer.json()["message"], answer.json()["data"]) == (
        "invalid_credentials", {"message": "invalid credentials"},
    )  # fmt: skip


@pytest.mark.fault("E01")
def test_expired_and_revoked_tokens_open_nothing_from_the_next_request_on(ctx: RunContext) -> None:
    now = ctx.clock()
    with serving(ctx) as api:
        token = api.tokens["self"]
        assert api.get(LIST, token=token).status_code == 200
        for made in list_tokens(ctx):
            assert revoke_token(made.token_id, ctx)
        assert api.get(LIST, token=token).status_code == 401
        early = RunContext(ctx.settings, ctx.url, lambda: now - timedelta(days=31))
        assert api.get(LIST, token=token_for(early, "self", days=30)).status_code == 401


@pytest.mark.fault("E01")
def test_two_different_tokens_are_a_conflict_and_twice_the_same_is_not(api: Served) -> None:
    token = api.tokens["self"]
    assert api.get(LIST, token=token, auth_token=WRONG).status_code == 400
    assert api.get(LIST, token=token, auth_token=token, **PERIOD).status_code == 200


@pytest.mark.fault("E02")
def test_the_seeds_token_in_the_query_works_and_is_called_deprecated(
    api: Served, caplog: pytest.LogCaptureFixture
) -> None:
    token = api.tokens["self"]
    with api.client() as client:
        answer = client.get("/v1/accounts/self/cdrs", params={"auth_token": token, **PERIOD})
    assert answer.status_code == 200
    assert re.fullmatch(r"@\d+", answer.headers["deprecation"])
    assert answer.headers["cache-control"] == "no-store"
    assert token not in answer.text
    logged(caplog, "auth_token=***")
    assert token not in caplog.text
    assert "deprecation" not in api.get(LIST, token=token, **PERIOD).headers


@pytest.mark.fault("E03")
@pytest.mark.parametrize(
    "query",
    [
        "auth_token=SECRET", "AUTH_TOKEN=SECRET", "auth%5Ftoken=SECRET", "auth_token[]=SECRET", "token=SECRET",
        "SECRET",
        "SECRET=1", "a=b;auth_token=SECRET", "search=SECRET", "auth_token=a&auth_token=SECRET",
    ],
)  # fmt: skip
def test_no_spelling_brings_a_token_into_the_log(query: str) -> None:
    assert "SECRET" not in masked_query(query.encode())


@pytest.mark.fault("E03")
def test_tokens_in_path_referer_and_body_are_not_logged_either(api: Served, caplog: pytest.LogCaptureFixture) -> None:
    with api.client(Referer="http://x/?auth_token=SECRETSECRET") as client:
        client.get("/v2/accounts/SECRETSECRET/cdrs")
        client.get("/SECRETSECRET")
        client.put("/v2/api_auth", json={"data": {"api_key": "SECRETSECRET"}})
        client.post(LIST, content=b'{"auth_token":"SECRETSECRET"}', headers={"Content-Type": "application/json"})
    logged(caplog, "POST")
    assert "SECRETSECRET" not in caplog.text


@pytest.mark.fault("E04")
def test_secrets_are_compared_in_constant_time_and_looked_up_by_hash() -> None:
    root = Path(__file__).parents[2] / "cdr_pipeline"
    for name in ("api/auth.py", "api/cursors.py", "warehouse/accounts/tokens.py"):
        text = (root / name).read_text()
        assert "compare_digest" in text
        assert not re.search(r"\b(token|signature|secret|key)\b (==|!=)", text)


@pytest.mark.fault("E05")
def test_only_the_hash_of_a_token_is_in_the_warehouse(api: Served) -> None:
    token = api.tokens["self"]
    with api.ctx.ledger() as ledger:
        rows = ledger.connection.execute("SELECT api_tokens::text FROM api_tokens").fetchall()
    assert any(hashlib.sha256(token.encode()).hexdigest() in row[0] for row in rows)
    assert not any(token in row[0] for row in rows)


def test_an_api_key_buys_an_hours_token_that_ends_with_it(ctx: RunContext) -> None:
    with serving(ctx) as api, api.client() as client:
        key = api.tokens["self"]
        bought = client.put("/v2/api_auth", json={"data": {"api_key": key}})
        assert bought.status_code == 201
        body = bought.json()
        assert body["data"]["account_id"] == "self"
        token = body["auth_token"]
        assert token != key
        assert api.get(LIST, token=token, **PERIOD).status_code == 200
        assert api.get("/v2/token_auth", token=token).json()["data"]["scope"] == "read"
        with api.client(token) as own:
            assert own.delete("/v2/token_auth").status_code == 200
        assert api.get(LIST, token=token, **PERIOD).status_code == 401
        other = client.put("/v2/api_auth", json={"data": {"api_key": key}}).json()["auth_token"]
        revoke_token(next(made.token_id for made in list_tokens(ctx) if made.account_id == "self"), ctx)
        assert api.get(LIST, token=other, **PERIOD).status_code == 401
        assert client.put("/v2/api_auth", json={"data": {"api_key": WRONG}}).status_code == 404


# --- E06, E07: every route by everybody ------------------------------------------------------------------------------

# Who may see what account "self" owns.
WHO = {"self": True, "top": True, "child": False, "sibling": False, "stranger": False}
ROUTES = [
    "", "/children", "/descendants", "/tree", "/cdrs", "/cdrs/202603-call1", "/cdrs/interaction",
    "/cdrs/legs/202603-call1", "/cdrs/summary", "/users", "/devices", "/users/u1/cdrs",
    "/users/u1/cdrs/interaction", "/uploads", "/days", "/exports",
]  # fmt: skip


@pytest.mark.fault("E06")
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_outside_its_subtree_every_route_is_the_404_of_no_account(
    api: Served, who: str, route: str, version: str
) -> None:
    answer = api.get(f"/{version}/accounts/self{route}", account=who)
    if WHO[who]:
        assert answer.status_code == 200
        return
    nowhere = api.get(f"/{version}/accounts/nowhere{route}", account=who)
    assert answer.status_code == nowhere.status_code == 404
    assert answer.json()["message"] == nowhere.json()["message"] == "bad_identifier"
    assert (
        {**answer.json()["data"], "cause": ""} == {**nowhere.json()["data"], "cause": ""} if version == "v2" else True
    )


@pytest.mark.fault("E06")
@pytest.mark.parametrize("who", [name for name, may in WHO.items() if not may])
@pytest.mark.parametrize(
    "route",
    [f"/uploads/{NO_UPLOAD}", f"/uploads/{NO_UPLOAD}/rejects", "/exports/2026-03-02_v1_exact", "/days/2026-03-02"],
)
def test_neither_do_uploads_files_and_days_answer_strangers(api: Served, who: str, route: str) -> None:
    assert api.get(f"/v2/accounts/self{route}", account=who).status_code == 404


@pytest.mark.fault("E06")
def test_every_operation_on_an_account_is_404_for_strangers(api: Served) -> None:
    names = {"account_id": "self", "upload_id": NO_UPLOAD, "business_date": "2026-03-02"}
    asked = 0
    with api.client(token_for(api.ctx, "stranger", "admin")) as client:
        for path, operations in client.get("/openapi.json").json()["paths"].items():
            if "{account_id}" not in path:
                continue
            filled = re.sub(r"{(\w+)}", lambda name: names.get(name[1], "unknown"), path)
            for method in operations:
                answer = client.request(method.upper(), filled, json={"data": {}})
                assert (method, path, answer.status_code) == (method, path, 404)
                asked += 1
    assert asked > 60


@pytest.mark.fault("E06")
def test_uploading_outside_the_subtree_is_404_too(api: Served) -> None:
    for who, may in WHO.items():
        with api.client(token_for(api.ctx, who, "upload")) as client:
            answer = client.post(LIST, content=b"", headers={"Content-Type": "text/csv"})
        assert answer.status_code == (400 if may else 404)


@pytest.mark.fault("E06")
def test_no_filter_reaches_another_accounts_records(api: Served) -> None:
    for query in ({"filter_custom_channel_vars.account_id": "stranger"}, {"customer": "stranger"}):
        assert api.get(LIST, **query, **PERIOD).json()["data"] == []
    assert api.get("/v2/accounts/self/cdrs/legs/stranger").status_code == 404


@pytest.mark.fault("E06")
def test_the_database_itself_shows_a_session_nothing_beyond_its_subtree(api: Served) -> None:
    with api.ctx.ledger() as ledger, scoped(ledger.connection, "self"):
        seen = ledger.connection.execute("SELECT DISTINCT account_id FROM cdr_merged ORDER BY 1").fetchall()
    assert seen == [("child",), ("self",)]


@pytest.mark.fault("E07")
def test_a_moved_account_is_visible_to_its_new_parents_at_once(
    ctx: RunContext,
) -> None:
    with serving(ctx) as api:
        store(ctx, "child", {})
        assert api.get("/v2/accounts/child/cdrs", account="sibling").status_code == 404
        with ctx.ledger() as ledger:
            ledger.connection.execute("UPDATE accounts SET parent_id = 'sibling' WHERE account_id = 'child'")
        assert api.get("/v2/accounts/child/cdrs", account="sibling", **PERIOD).json()["data"]
        assert api.get("/v2/accounts/child/cdrs", account="self").status_code == 404


@pytest.mark.fault("B23")
def test_a_reading_token_may_not_upload(api: Served) -> None:
    with api.client(api.tokens["self"]) as client:
        answer = client.post(LIST, content=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["message"]) == (403, "forbidden")


@pytest.mark.fault("E24")
def test_guessing_is_slowed_down_and_so_is_haste(ctx: RunContext) -> None:
    with serving(ctx, serve_requests_per_second=0.2) as api:
        token = api.tokens["self"]
        fast = [api.get(LIST, token=token) for _ in range(4)]
        assert fast[0].status_code == 200
        assert fast[-1].status_code == 429
        assert int(fast[-1].headers["retry-after"]) >= 1
        with api.client(WRONG) as client:
            answers = [client.get(LIST).status_code for _ in range(25)]
        assert answers[0] == 401
        assert answers[-1] == 429


def test_ids_of_tokens_and_requests_are_no_sequence(api: Served) -> None:
    made = {api.get("/healthz").headers["x-request-id"] for _ in range(5)}
    assert len(made) == 5
    assert all(re.fullmatch(r"[0-9a-f]{32}", text) for text in made)


def test_names_of_the_switchs_filters_begin_none_of_ours() -> None:
    taken = ("filter_", "has_", "key_", "value_", "created_", "modified_")
    assert not [name for name in FILTERS if name.startswith(taken)]
    assert set(KAZOO_FILTERS) & set(FILTERS) == set()
