"""What browser portals and clients of a Kazoo server send: methods, parameters and origins."""

from collections.abc import Iterator

import httpx2
import pytest

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import PERIOD, Served, serving, store

LIST = "/v2/accounts/self/cdrs"
PORTAL = "https://portal.example"
PATHS = [
    "/v2/accounts/self", "/v2/accounts/self/children", LIST, "/v1/accounts/self/cdrs", f"{LIST}/202603-call1",
    f"{LIST}/summary", "/v2/accounts/self/uploads", "/v2/accounts/self/days", "/v2/accounts/self/exports",
    "/v2/token_auth", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs",
]  # fmt: skip


@pytest.fixture(scope="module")
def ids() -> tuple[str, ...]:
    """Ids with a NUL, in each place of a path that takes one."""
    return (
        "/v2/accounts/se%00lf", "/v2/accounts/self%00/cdrs", f"{LIST}/202603-call1%00", f"{LIST}/legs/call%00",
        "/v2/accounts/self/users/u%001/cdrs", "/v2/accounts/self/uploads/%00", "/v2/accounts/self/days/%00",
        "/v2/accounts/self/exports/%00",
    )  # fmt: skip


def ask(api: Served, method: str, path: str, **headers: str) -> httpx2.Response:
    """One request with a reading token, its path as written."""
    with api.client(api.tokens["self"], **headers) as client:
        return client.request(method, api.url + path)


def test_an_id_with_nul_is_404(api: Served, ids: tuple[str, ...]) -> None:
    for path in ids:
        answer = ask(api, "GET", path)
        assert (answer.status_code, answer.json()["message"]) == (404, "bad_identifier"), path


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body(api: Served, path: str) -> None:
    got, head = ask(api, "GET", path), ask(api, "HEAD", path)
    assert (head.status_code, head.content) == (got.status_code, b"") == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    # Figures of the process differ from one request to the next.
    if path != "/metrics":
        assert head.headers.get("content-length") == got.headers.get("content-length")


def test_head_of_a_long_download_leaves_the_connection_usable(api: Served) -> None:
    with api.client(api.tokens["self"], Accept="text/csv") as client:
        for _ in range(20):
            assert client.head(LIST, params=PERIOD).status_code == 200
        assert client.get(LIST, params=PERIOD).text.startswith("id,")


def test_head_of_an_error_has_its_status(api: Served) -> None:
    with api.client() as client:
        assert client.head(LIST).status_code == 401
        assert client.head("/v2/nothing").status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_options_lists_the_methods_without_a_token(api: Served, path: str) -> None:
    with api.client() as client:
        answer = client.options(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["allow"].split(", "))


def test_options_of_a_path_that_does_not_exist_is_404(api: Served) -> None:
    assert ask(api, "OPTIONS", "/v2/nothing").status_code == 404


def test_the_cache_parameter_of_jquery_is_ignored(api: Served) -> None:
    for path in ("", "/children", "/cdrs", "/cdrs/202603-call1", "/cdrs/summary", "/uploads", "/days", "/exports"):
        assert api.get(f"/v2/accounts/self{path}", _="1772443860123").status_code == 200, path


def test_a_page_key_is_good_with_another_cache_parameter(api: Served) -> None:
    first = api.get(LIST, page_size="1", _="1", **PERIOD).json()
    second = api.get(LIST, page_size="1", _="2", start_key=first["next_start_key"], **PERIOD)
    assert [row["id"] for row in second.json()["data"]] == ["202603-call1"]


@pytest.mark.parametrize("path", ["", "/children", "/cdrs", "/cdrs/202603-call1", "/uploads"])
def test_pretty_print_indents_the_same_content(api: Served, path: str) -> None:
    plain = api.get(f"/v2/accounts/self{path}")
    pretty = api.get(f"/v2/accounts/self{path}", pretty_print="true")
    assert pretty.text.startswith('{\n  "data"')
    # A page key states the time of its request.
    assert pretty.json()["data"] == plain.json()["data"]


# --- Other origins ----------------------------------------------------------------------------------------------------


@pytest.fixture
def portal(ctx: RunContext) -> Iterator[Served]:
    """An API that pages of one origin may call."""
    with serving(ctx, serve_origins=PORTAL) as api:
        store(ctx, "self", {})
        yield api


def test_a_preflight_allows_the_method_and_the_token_header(portal: Served) -> None:
    for path in (LIST, "/v2/api_auth", "/healthz"):
        with portal.client() as client:
            answer = client.options(
                path,
                headers={
                    "Origin": PORTAL,
                    "Access-Control-Request-Method": "PUT",
                    "Access-Control-Request-Headers": "x-auth-token,content-type",
                },
            )
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == PORTAL
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert "x-auth-token" in answer.headers["access-control-allow-headers"]


def test_pages_of_an_allowed_origin_can_read_responses_and_errors(portal: Served) -> None:
    token, origin = portal.tokens["self"], {"Origin": PORTAL}
    with portal.client(token, **origin) as known, portal.client(**origin) as unknown:
        answers = [
            known.get(LIST), known.get("/v1/accounts/self/cdrs"), known.get(LIST, params={"page_size": "x"}),
            known.get("/v2/nothing"), known.get(LIST, params={"search": "x" * 17_000}), known.patch(LIST),
            unknown.get(LIST), known.get("/v2/accounts/%00"),
        ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200, 400, 404, 414, 405, 401, 404]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == PORTAL
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


def test_pages_of_another_origin_get_no_permission(portal: Served) -> None:
    for method in ("GET", "OPTIONS"):
        answer = ask(portal, method, LIST, Origin="https://evil.example", **{"Access-Control-Request-Method": "GET"})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("text", ["portal.example", "https://portal.example/", "https://a.example, ftp://b.example"])
def test_an_origin_that_no_browser_sends_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be scheme and host"):
        Settings(serve_origins=text)


def test_several_origins_are_separated_by_commas() -> None:
    settings = Settings(serve_origins="https://a.example, http://localhost:3000")
    assert settings.allowed_origins == ("https://a.example", "http://localhost:3000")
    assert Settings().allowed_origins == ()
