"""The page that compares the API with Kazoo's states what the API does."""

import re
from pathlib import Path

import pytest

import cdr_pipeline
from tests.support.serving import Served, token_for

PAGE = (Path(cdr_pipeline.__file__).parent / "docs/explanation/kazoo.md").read_text(encoding="utf-8")
# | situation | `METHOD path` | Kazoo | STATUS `message` and more | reason |
ROW = re.compile(r"^\| ([^|]+) \| `([A-Z]+) ([^`]+)` \| [^|]* \| (\d+)(?: `([^`]+)`)?", re.MULTILINE)
REQUESTS = {row[0]: row[1:] for row in ROW.findall(PAGE)}


def test_the_page_has_requests() -> None:
    assert len(REQUESTS) > 15


@pytest.mark.parametrize("situation", REQUESTS)
def test_a_request_is_answered_as_the_page_states(api: Served, situation: str) -> None:
    method, path, status, message = REQUESTS[situation]
    with api.client(token_for(api.ctx, "self", "upload")) as client:
        answer = client.request(method, f"/v2/accounts/self/{path}")
    assert answer.status_code == int(status), answer.text
    assert not message or answer.json()["message"] == message
