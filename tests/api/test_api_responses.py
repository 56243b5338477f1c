"""Responses are those of their models, and the OpenAPI document is made of the models."""

from typing import Any

import orjson
import pytest

from cdr_pipeline.api.documentation import accounts, days, extracts, records, tokens, uploads
from cdr_pipeline.api.documentation.groups import Group
from cdr_pipeline.api.filters.own import FILTERS
from cdr_pipeline.api.models.envelopes import ErrorBody
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import PERIOD, Served, serving, store, token_for

GROUPS = {
    name: item
    for module in (accounts, days, extracts, records, tokens, uploads)
    for name, item in vars(module).items()
    if isinstance(item, Group)
}
ROUTES = {
    "": accounts.ACCOUNT,
    "/children": accounts.ACCOUNTS,
    "/cdrs": records.LIST,
    "/cdrs?paginate=false": records.LIST,
    "/cdrs/interaction": records.INTERACTIONS,
    "/cdrs/summary": records.SUMMARY,
    "/cdrs/202603-call1": records.DETAIL,
    "/cdrs/legs/202603-call1": records.LEGS,
    "/days": days.DAYS,
    "/days/2026-03-02": days.DAY,
    "/exports": days.EXPORTS,
    "/uploads": uploads.UPLOADS,
}
FILE = b"id,caller,callee,start_time,duration\r\nb1,1,2,2026-03-02T10:00:00Z,60\r\nb2,1,2,no time,60\r\n"


def conforms(group: Group, body: bytes, status: int = 200) -> Any:
    """Data of a response that its model accepts without unknown or missing keys."""
    model = group.responses[status]["model"]
    return model.model_validate(orjson.loads(body)).data


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_response_has_the_keys_and_types_of_its_model(api: Served, version: str, path: str) -> None:
    bounded = {} if "/days" in path else PERIOD if "cdrs" in path and "call1" not in path else {}
    path, _, paginate = path.partition("?paginate=")
    query = bounded | ({"paginate": paginate} if paginate else {})
    answer = api.get(f"/{version}/accounts/self{path}", **query)
    assert answer.status_code == 200, answer.text
    conforms(ROUTES[f"{path}?paginate={paginate}" if paginate else path], answer.content)


def test_uploads_rejects_and_tokens_have_the_keys_of_their_models(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {})
        with api.client(token_for(ctx, "self", "upload"), **{"Content-Type": "text/csv"}) as client:
            preview = client.post("/v2/accounts/self/cdrs", content=FILE, params={"dry_run": "true"})
            loaded = client.post("/v2/accounts/self/cdrs", content=FILE)
            conforms(tokens.TOKEN, client.get("/v2/token_auth").content)
        with api.client() as client:
            login = client.put("/v2/api_auth", json={"data": {"api_key": api.tokens["self"]}})
        conforms(tokens.LOGIN, login.content, 201)
        assert conforms(uploads.UPLOAD, preview.content, 200).state == "previewed"
        upload_id = conforms(uploads.UPLOAD, loaded.content, 201).upload_id
        path = f"/v2/accounts/self/uploads/{upload_id}"
        assert conforms(uploads.UPLOAD_STATE, api.get(path).content).rows_rejected == 1
        assert [line.line for line in conforms(uploads.REJECTS, api.get(f"{path}/rejects").content)] == [3]


@pytest.mark.parametrize("path", ["/v2/accounts/other", "/v2/accounts/self/cdrs", "/v2/nothing"])
def test_errors_have_the_keys_of_their_model(api: Served, path: str) -> None:
    ErrorBody.model_validate_json(api.get(path, page_size="x").content)


def test_every_response_of_the_document_names_a_model(api: Served) -> None:
    document = api.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if "application/json" not in response.get("content", {}) or not path.startswith("/v"):
                    continue
                schema = response["content"]["application/json"]["schema"]
                # The file of an extract is the bare list of its rows.
                schema = schema.get("items", schema) if path.endswith("/file") else schema
                assert schema.get("$ref", "").startswith("#/components/schemas/"), (method, path, status)


@pytest.mark.parametrize("name", GROUPS)
def test_examples_are_what_the_models_accept(name: str) -> None:
    for response in GROUPS[name].responses.values():
        if "model" in response:
            example = response["content"]["application/json"]["example"]
            response["model"].model_validate(example)
            # The framework drops keys that are null from the document.
            assert b":null" not in orjson.dumps(example)


def test_every_get_of_the_document_has_a_head_without_bodies(api: Served) -> None:
    document = api.get("/openapi.json").json()
    reads = [methods for methods in document["paths"].values() if "get" in methods]
    assert len(reads) > 30
    assert all(set(item["head"]["responses"]) == set(item["get"]["responses"]) for item in reads)
    assert not any("content" in response for item in reads for response in item["head"]["responses"].values())


def test_responses_that_can_be_retried_say_when(api: Served) -> None:
    document = api.get("/openapi.json").json()
    for methods in document["paths"].values():
        for operation in methods.values():
            for status in ("429", "503"):
                if "model" in operation["responses"].get(status, {}):
                    assert "Retry-After" in operation["responses"][status]["headers"]


def test_lists_of_the_document_state_their_items(api: Served) -> None:
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Records"]["properties"]["data"]["items"] == {"$ref": "#/components/schemas/RecordRow"}
    assert schemas["Accounts"]["properties"]["data"]["items"] == {"$ref": "#/components/schemas/AccountNode"}
    assert schemas["RecordRow"]["required"][:2] == ["id", "call_id"]


def test_the_document_has_each_filter_with_its_own_schema(api: Served) -> None:
    operation = api.get("/openapi.json").json()["paths"]["/v2/accounts/{account_id}/cdrs"]["get"]
    stated = {item["name"]: item["schema"] for item in operation["parameters"]}
    for name, item in FILTERS.items():
        assert stated[name] == (item.schema or {"type": "string"})
