"""Every call of a client that openapi-python-client generates from the OpenAPI document works and returns its model.

The generator needs other versions of our dependencies, so it is installed into an environment of its own. A path in
CDR_TEST_OPENAPI_CLIENT names an installed one.
"""

import functools
import hashlib
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from datetime import date, timedelta
from types import ModuleType
from typing import Any, get_args

import httpx2
import pytest

from cdr_pipeline.steps.accounts.users import UserRequest, accept_invitation, invite_user
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from tests.support.serving import STARTED, Served, gregorian, store, token_for

pytestmark = [pytest.mark.exhaustive, pytest.mark.timeout(1800)]

PASSWORD = "correct horse battery"
DAY = date(2026, 3, 2)
# Refused with a body that the client reads: acts and reads of a person with the token of a program, and the end of an
# upload that is loaded.
REFUSED = {"decide_v": 403, "seal_v": 403, "restate_v": 403, "own_user_v": 404, "cancel_upload_v": 409}
TABLE = "id,caller,callee,start_time,duration\r\na1,100,200,2026-03-05T10:00:00Z,60\r\na2,100,200,never,60\r\n"
# What calls may end, so that each gets one of its own.
MADE = ("token", "webhook", "extract")
PERIOD = {"created_from": gregorian(STARTED), "created_to": gregorian(STARTED + timedelta(days=1))}


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the generator."""
    if installed := os.environ.get("CDR_TEST_OPENAPI_CLIENT"):
        return installed
    folder = tmp_path_factory.mktemp("generator")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "openapi-python-client>=0.29,<0.30"]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("openapi-python-client cannot be installed here")
    return str(folder / "bin" / "openapi-python-client")


@pytest.fixture(scope="module")
def generated(api: Served, generator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that the generator writes, imported."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(api.get("/openapi.json").content)
    command = [generator, "generate", "--path", "openapi.json", "--output-path", "cdr_client", "--meta", "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout[-3000:]
    # The generator knows no CSV; the same bodies can be JSON.
    warnings = [line for line in done.stdout.splitlines() if line.startswith("Unsupported")]
    assert set(warnings) <= {"Unsupported content type text/csv"}
    sys.path.insert(0, str(folder))
    yield importlib.import_module("cdr_client")
    sys.path.remove(str(folder))


def operations(package: ModuleType) -> dict[str, ModuleType]:
    """Modules of the operations by name; those that end a token are last."""
    api = importlib.import_module(f"{package.__name__}.api")
    found = [item.name for item in pkgutil.walk_packages(api.__path__, f"{api.__name__}.") if not item.ispkg]
    found.sort(key=lambda name: ("revoke" in name, name))
    return {name.rpartition(".")[2]: importlib.import_module(name) for name in found}


def prepared(api: Served) -> dict[str, Any]:
    """Ids of things that exist, by the names of parameters; a login for each way."""
    store(api.ctx, "self", {}, {}, now=api.ctx.clock())
    seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), api.ctx)
    invitation = invite_user(UserRequest("ann", "viewer", "self"), api.ctx)
    accept_invitation(invitation.secret, PASSWORD, api.ctx)
    with api.client(token_for(api.ctx, "self", "upload")) as client:
        table = {"Content-Type": "text/csv"}
        upload = client.post("/v2/accounts/self/cdrs", content=TABLE, headers=table).json()["data"]
    return {
        "account_id": "self", "user_id": "u1", "business_date": str(DAY), "file_id": f"{DAY}_v1_exact",
        "cdr_id": "202603-call1", "leg_id": "202603-call1", "upload_id": upload["upload_id"],
    }  # fmt: skip


def held(api: Served, number: int) -> str:
    """Id of a held upload: its ids are those of calls of another day."""
    first = TABLE.replace("a1", f"b{number}").replace("never", "2026-03-05T11:00:00Z").replace("a2", f"c{number}")
    with api.client(token_for(api.ctx, "self", "upload")) as client:
        for text in (first, first.replace("03-05", "03-06")):
            answer = client.post("/v2/accounts/self/cdrs", content=text, headers={"Content-Type": "text/csv"})
    data = answer.json()["data"]
    assert data["state"] == "held"
    return str(data["upload_id"])


def model_of(annotation: Any) -> Any:
    """The first model in the type of a body."""
    if hasattr(annotation, "from_dict"):
        return annotation
    return next((model for part in get_args(annotation) if (model := model_of(part))), None)


def body_of(name: str, module: ModuleType, api: Served, rows: list[dict[str, Any]]) -> Any:
    """Body of an operation, made of the models that the generator wrote for it."""
    wanted = model_of(inspect.signature(module.sync_detailed).parameters["body"].annotation)
    if name.startswith("api_auth"):
        return wanted.from_dict({"data": {"api_key": api.tokens["self"]}})
    if name.startswith("posted_token_info"):
        return wanted.from_dict({"data": {"token": api.tokens["self"]}})
    if name.startswith("user_auth"):
        digest = hashlib.md5(f"ann:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
        return wanted.from_dict({"data": {"credentials": digest, "account_name": "name of self"}})
    if name.startswith("decide_upload"):
        return wanted.from_dict({"data": {"decision": "release"}})
    if name.startswith(("put_records", "post_records")):
        return [wanted.from_dict(row) for row in rows]
    return wanted.from_dict(example_of(api, name))


@functools.cache
def document_of(url: str) -> dict[str, Any]:
    """The OpenAPI document of a server."""
    return httpx2.get(f"{url}/openapi.json").json()


def example_of(api: Served, name: str) -> dict[str, Any]:
    """The document's own example of a body."""
    document = document_of(api.url)
    (content,) = [
        operation["requestBody"]["content"]["application/json"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if operation["operationId"] == name
    ]
    return content["example"]


def made(api: Served, kind: str) -> str:
    """Id of a new token, webhook or extract, for a call that may end it."""
    document = document_of(api.url)
    operation = document["paths"][f"/v2/accounts/{{account_id}}/{kind}s"]["put"]["operationId"]
    with api.client(token_for(api.ctx, "self", "admin")) as client:
        answer = client.put(f"/v2/accounts/self/{kind}s", json=example_of(api, operation))
        made_id = str(answer.json()["data"][f"{kind}_id"])
        path = f"/v2/accounts/self/extracts/{made_id}"
        while kind == "extract" and client.get(path).json()["data"]["state"] in ("waiting", "running"):
            time.sleep(0.1)
    return made_id


def test_every_call_of_the_generated_client_works(api: Served, generated: ModuleType) -> None:
    known = prepared(api)
    rows = api.get("/v2/accounts/self/cdrs", **PERIOD).json()["data"]
    failures: list[str] = []
    calls = operations(generated)
    assert len(calls) > 50
    for number, (name, module) in enumerate(calls.items()):
        parameters = inspect.signature(module.sync_detailed).parameters
        given = {key: known[key] for key, item in parameters.items() if key in known and item.default is item.empty}
        given |= {key: value for key, value in PERIOD.items() if key in parameters}
        token = token_for(api.ctx, "self", "admin")
        client = generated.AuthenticatedClient(base_url=api.url, token=token, raise_on_unexpected_status=True)
        if "metrics" in name:
            client = generated.Client(base_url=api.url, raise_on_unexpected_status=True)
        if "token_info" in name and "body" not in parameters:
            given["token"] = token
        given |= {f"{kind}_id": made(api, kind) for kind in MADE if f"{kind}_id" in parameters}
        if "body" in parameters:
            given["body"] = body_of(name, module, api, rows)
        if name.startswith("decide_upload"):
            given["upload_id"] = held(api, number)
        try:
            with client:
                answer = module.sync_detailed(client=client, **given)
        except Exception as error:  # noqa: BLE001 - every call is tried
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        bodiless = name.startswith("head_") or "export" in name or "metrics" in name
        refused = next((status for part, status in REFUSED.items() if part in name), None)
        if refused == answer.status_code and (answer.parsed is not None or name.startswith("head_")):
            continue
        if answer.status_code >= 400 or (answer.parsed is None and not bodiless):
            failures.append(f"{name}: {answer.status_code} {answer.content[:300]!r}")
    assert not failures, "\n".join(failures)
