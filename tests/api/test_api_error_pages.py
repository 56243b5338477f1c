"""Every error response links to the meaning of its code and to the next step."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cdr_pipeline
from cdr_pipeline.api.error_pages import explained
from tests.support.serving import Served

API = Path(cdr_pipeline.__file__).parent / "api"
# Functions that make a refusal, and the position of its code in their arguments.
CODES = {"RequestRefused": 1, "no_such": 0, "conflict": 0}


def _codes() -> Iterator[str]:
    for path in API.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODES:
                code = node.args[CODES[node.func.id]]
                if isinstance(code, ast.Constant):
                    yield str(code.value)


def test_every_code_of_the_api_is_explained() -> None:
    codes = set(_codes())
    assert len(codes) > 25
    assert codes - set(explained()) == set()


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/accounts/self/cdrs", {"page_size": "0"}, "validation error"),
        ("/accounts/none/cdrs", {}, "bad_identifier"),
        ("/x", {}, "not_found"),
    ],
)
def test_an_error_links_to_its_meaning(api: Served, path: str, query: dict[str, str], code: str) -> None:
    answer = api.get(f"/v2{path}", **query)
    assert answer.json()["message"] == code
    link = re.fullmatch(r'<(/docs/errors)#([a-z_]+)>; rel="help"', answer.headers["Link"])
    assert link is not None
    with api.client() as client:
        page = client.get(link[1])
    assert page.status_code == 200
    assert f'id="{link[2]}"' in page.text


def test_a_response_without_a_token_links_to_its_meaning(api: Served) -> None:
    with api.client() as client:
        assert client.get("/v2/accounts/self/cdrs").headers["Link"] == '</docs/errors#invalid_credentials>; rel="help"'
