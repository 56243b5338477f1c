"""Sign-in with an OpenID Connect provider, a process of its own on loopback."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from cdr_pipeline.errors import SignInRefused
from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.steps.accounts.users import UserRequest, change_user, invite_user, sign_in, signed_in
from tests.support.console import PASSWORD, Person, ServedConsole
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.support.serving import listening

pytest.importorskip("authlib", reason="Authlib is not installed (extra oidc)")
EMAIL = "controller@example.com"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """Address of the provider."""
    process = subprocess.Popen([sys.executable, "-m", "tests.support.oidc_provider"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        yield output.readline().strip()
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def provider_console(shared_console: ServedConsole, provider: str) -> Iterator[ServedConsole]:
    """A console without passwords whose users sign in with the provider; EMAIL is invited as finance of one account."""
    settings = shared_console.ctx.settings.model_copy(
        update={
            "oidc_issuer": provider,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SecretStr(CLIENT_SECRET),
            "password_sign_in": False,
        }
    )
    ctx = replace(shared_console.ctx, settings=settings, clock=lambda: datetime.now(UTC))
    invite_user(UserRequest(EMAIL, "finance", "self"), ctx)
    with listening(ServedApp(ctx)) as url, closing(ServedConsole(url, ctx)) as served:
        yield served


def begun(console: ServedConsole, provider: str, **person: str) -> tuple[Person, str]:
    """A browser that the provider has signed in as a person, and the address that it is sent back to."""
    httpx2.post(f"{provider}/person", json={"sub": "person-1", "email": EMAIL, **person})
    browser = console.anyone()
    to_provider = browser.get("/sign-in/provider", next="/breaks").headers["location"]
    assert to_provider.startswith(f"{provider}/authorize?")
    return browser, httpx2.get(to_provider).headers["location"]


def answer(browser: Person, address: str, **changes: str) -> httpx2.Response:
    """Follows the provider's answer, with changed parameters."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    return browser.get(parts.path, **query)


def test_an_invited_person_signs_in_with_the_role_of_the_invitation(
    provider_console: ServedConsole, provider: str
) -> None:
    browser, address = begun(provider_console, provider)
    response = answer(browser, address)
    assert (response.status_code, response.headers["location"]) == (303, "/breaks")
    user = signed_in(browser.client.cookies["cdr_session"], provider_console.ctx)
    assert user is not None
    assert (user.name, user.role, "self" in user.accounts, user.everything) == (EMAIL, "finance", True, False)
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    "person",
    [
        {"sub": "person-2", "email": "unknown@example.com"},
        {"sub": "person-2"},
        {"mistake": "issuer"},
        {"mistake": "audience"},
        {"mistake": "expired"},
        {"mistake": "nonce"},
        {"mistake": "signature"},
        {"sub": "person-3", "mistake": "unverified"},
    ],
    ids=str,
)
def test_others_and_invalid_tokens_are_refused(
    provider_console: ServedConsole, provider: str, person: dict[str, str]
) -> None:
    browser, address = begun(provider_console, provider)
    answer(browser, address)
    browser, address = begun(provider_console, provider, **person)
    response = answer(browser, address)
    assert (response.status_code, "cdr_session" in browser.client.cookies) == (401, False)
    assert "did not work, or you are not invited" in response.text


def test_an_answer_works_once_for_its_state_and_its_browser(provider_console: ServedConsole, provider: str) -> None:
    browser, address = begun(provider_console, provider)
    assert answer(browser, address, state="another").status_code == 401
    assert answer(provider_console.anyone(), address).status_code == 401
    other, _ = begun(provider_console, provider)
    code = parse_qs(urlsplit(address).query)["code"][0]
    state = parse_qs(urlsplit(_).query)["state"][0]
    assert answer(other, address, code=code, state=state).status_code == 401, "the PKCE verifier is another"


def test_a_provider_that_names_another_issuer_is_refused(provider_console: ServedConsole, provider: str) -> None:
    httpx2.post(f"{provider}/person", json={"sub": "person-1", "email": EMAIL, "mistake": "discovery"})
    assert provider_console.anyone().get("/sign-in/provider").status_code == 401


def test_passwords_can_be_switched_off(provider_console: ServedConsole, shared_console: ServedConsole) -> None:
    shared_console.person("viewer")
    assert sign_in("viewer of all", PASSWORD, shared_console.ctx)
    with pytest.raises(SignInRefused, match="switched off"):
        sign_in("viewer of all", PASSWORD, provider_console.ctx)
    page = provider_console.anyone().get("/sign-in").text
    assert ("Sign in with 127.0.0.1" in page, 'name="password"' in page) == (True, False)


def test_access_that_ended_here_ends_the_sign_in_with_the_provider(
    provider_console: ServedConsole, provider: str
) -> None:
    browser, address = begun(provider_console, provider)
    answer(browser, address)
    change_user(EMAIL, provider_console.ctx, disabled=True)
    browser, address = begun(provider_console, provider)
    assert answer(browser, address).status_code == 401
    change_user(EMAIL, provider_console.ctx, disabled=False)
