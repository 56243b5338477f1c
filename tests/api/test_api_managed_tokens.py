"""Tokens are managed over the API by a token of scope admin, within its subtree."""

from typing import Any

import httpx2

from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import PERIOD, Served, know, serving, token_for

TOKENS = "/v2/accounts/self/tokens"


def call(api: Served, token: str, method: str, path: str = "", data: dict[str, Any] | None = None) -> httpx2.Response:
    with api.client(token) as client:
        return client.request(method, TOKENS + path, json=None if data is None else {"data": data})


def works(api: Served, token: str) -> bool:
    return api.get("/v2/accounts/self/cdrs", token=token, **PERIOD).status_code == 200


def test_a_token_is_created_used_listed_rotated_and_revoked(ctx: RunContext) -> None:
    know(ctx)
    with serving(ctx) as api:
        admin = token_for(ctx, "self", "admin")
        made = call(api, admin, "PUT", data={"scope": "read", "label": "billing", "days": 30})
        assert made.status_code == 201
        first = made.json()["data"]
        listed = {item["token_id"]: item for item in call(api, admin, "GET").json()["data"]}
        assert (listed[first["token_id"]]["label"], listed[first["token_id"]]["last_used_at"]) == ("billing", None)
        assert works(api, first["token"])
        listed = {item["token_id"]: item for item in call(api, admin, "GET").json()["data"]}
        assert listed[first["token_id"]]["last_used_at"] is not None
        assert first["token"] not in str(listed)
        second = call(api, admin, "PUT", f"/{first['token_id']}/rotate", {"overlap_hours": 1}).json()["data"]
        assert works(api, first["token"])
        assert works(api, second["token"])
        third = call(api, admin, "PUT", f"/{second['token_id']}/rotate", {"overlap_hours": 0}).json()["data"]
        assert not works(api, second["token"])
        assert call(api, admin, "DELETE", f"/{third['token_id']}").status_code == 200
        assert not works(api, third["token"])
        assert call(api, admin, "DELETE", f"/{third['token_id']}").status_code == 404


def test_only_scope_admin_manages_tokens_and_only_in_its_subtree(ctx: RunContext) -> None:
    know(ctx)
    with serving(ctx) as api:
        for scope in ("read", "upload"):
            assert call(api, token_for(ctx, "self", scope), "GET").status_code == 403
        child, top = token_for(ctx, "child", "admin"), token_for(ctx, "top", "admin")
        assert call(api, child, "GET").status_code == 404
        (own,) = call(api, token_for(ctx, "self", "admin"), "GET").json()["data"][:1]
        assert {item["account_id"] for item in call(api, top, "GET").json()["data"]} == {"self", "child"}
        assert "stranger" not in str(own)
        (of_top,) = [
            item["token_id"]
            for item in api.get("/v2/accounts/top/tokens", "top", token=top).json()["data"]
            if item["account_id"] == "top"
        ]
        assert call(api, top, "DELETE", f"/{of_top}").status_code == 404


def test_a_faulty_wish_is_refused_with_the_field(ctx: RunContext) -> None:
    know(ctx)
    with serving(ctx) as api:
        admin = token_for(ctx, "self", "admin")
        for field, value in {"scope": "all", "days": 0, "label": "x" * 101}.items():
            refused = call(api, admin, "PUT", data={field: value})
            assert refused.status_code == 400
            assert f"data.{field}" in refused.json()["data"]
