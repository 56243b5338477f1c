"""Monster UI and its ``jquery.kazoosdk.js``, unchanged, in Chromium, on another origin than the API.

They are in no registry of packages, so CDR_TEST_MONSTER_UI names a directory with an installed Monster UI: its
``index.html``, ``js`` and ``apps``. The log of calls is shown by the app ``dt-calllogs`` in ``apps``.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdr_pipeline.steps.accounts.users import UserRequest, accept_invitation, invite_user
from cdr_pipeline.steps.run_context import RunContext
from tests.support.console_browser import NEEDS_CHROMIUM, started_chromium
from tests.support.monster_portal import monster_portal
from tests.support.serving import Served, gregorian, serving, store

PASSWORD = "correct horse battery"
DIRECTORY = os.environ.get("CDR_TEST_MONSTER_UI", "")
APP = "dt-calllogs"
pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.skipif(not DIRECTORY, reason="CDR_TEST_MONSTER_UI does not name a directory of Monster UI"),
]


@pytest.fixture
def portal(ctx: RunContext) -> Iterator[tuple[Served, str]]:
    """An API with sixty calls of the last hour, and the origin of the portal."""
    served: list[Served] = []
    now = replace(ctx, clock=lambda: datetime.now(UTC))
    with (
        monster_portal(DIRECTORY, lambda: served[0].url) as origin,
        serving(now, serve_origins=origin, serve_portal_apps=APP, serve_requests_per_second=0) as api,
    ):
        served.append(api)
        invitation = invite_user(UserRequest("ann", "viewer", "self"), api.ctx)
        accept_invitation(invitation.secret, PASSWORD, api.ctx)
        # Portals show calls of the viewer's day, so none is before midnight.
        first = max(now.clock() - timedelta(hours=1), now.clock().replace(hour=0, minute=0, second=1))
        calls = [
            {
                "started_at": first + timedelta(seconds=number),
                "interaction_id": f"talk{number}",
                "caller_id_name": f"Caller {number}",
                "caller_id_number": "+12125550100",
                "callee_id_number": "+4930123456",
            }
            for number in range(60)
        ]
        store(now, "self", *calls)
        yield api, origin


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of the portal; errors of its scripts fail the test."""
    errors: list[str] = []
    with started_chromium() as chromium:
        context = chromium.new_context(locale="en-US", timezone_id="UTC")
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        context.close()
    # jQuery UI reports this when a dialog is closed by a reload.
    assert [error for error in errors if "_focusTabbable" not in error] == []


# --- The SDK ----------------------------------------------------------------------------------------------------------

CALLS = """async ([url, key, name, digest, period]) => {
    const sdk = $.getKazooSdk({apiRoot: url + '/v2/', uiMetadata: {version: '4.3', ui: 'monster-ui'}});
    const sent = (group, method, options) => new Promise((resolve) => sdk[group][method](Object.assign({
        success: (data) => resolve(data),
        error: (parsed, error) => resolve({refused: error.status, parsed}),
    }, options)));
    const shown = {};
    const put = (url, data) => new Promise((resolve) => sdk.request({
        url: url, verb: 'PUT', data: {data}, removeHeaders: ['X-Auth-Token'], success: resolve, error: resolve,
    }));
    shown.key = await put(url + '/v2/api_auth', {api_key: key});
    shown.wrong = await sent('auth', 'userAuth', {data: {credentials: digest.replace(/./g, '0'), account_name: name}});
    shown.login = await sent('auth', 'userAuth', {data: {credentials: digest, account_name: name}});
    const token = shown.login.auth_token;
    shown.info = await sent('auth', 'postTokenInfo', {data: {token}});
    shown.old = await sent('auth', 'get', {token});
    const accountId = shown.login.data.account_id, userId = shown.login.data.owner_id;
    shown.account = await sent('account', 'get', {accountId});
    shown.children = await sent('account', 'listChildren', {accountId});
    shown.descendants = await sent('account', 'listDescendants', {accountId});
    shown.parents = await sent('account', 'listParents', {accountId});
    shown.user = await sent('user', 'get', {accountId, userId});
    shown.users = await sent('user', 'list', {accountId});
    shown.devices = await sent('device', 'list', {accountId, filters: {paginate: false}});
    shown.apps = await sent('appsStore', 'list', {accountId});
    shown.whitelabel = await sent('whitelabel', 'getByDomain', {domain: 'localhost'});
    const filters = Object.assign({page_size: 50}, period);
    shown.page = await sent('cdrs', 'listByInteraction', {accountId, filters});
    shown.rest = await sent('cdrs', 'listByInteraction', {
        accountId, filters: Object.assign({start_key: shown.page.next_start_key}, filters),
    });
    shown.list = await sent('cdrs', 'list', {accountId, filters});
    shown.ofUser = await sent('cdrs', 'listByUser', {accountId, userId, filters});
    shown.interactionsOfUser = await sent('cdrs', 'listByInteractionUser', {accountId, userId, filters});
    shown.fields = await sent('cdrs', 'list', {accountId, filters: Object.assign({
        fields: ['id', 'call_id'], filter_any_call_id: ['call1', 'call2'],
    }, period)});
    shown.legs = await sent('cdrs', 'listLegs', {accountId, callId: shown.page.data[0].id});
    shown.detail = await sent('cdrs', 'get', {accountId, cdrId: shown.page.data[0].id});
    shown.missing = await sent('cdrs', 'get', {accountId, cdrId: '202601-none'});
    shown.patched = await sent('account', 'patch', {accountId, data: {name: 'x'}});
    shown.deleted = await sent('account', 'delete', {accountId});
    return shown;
}"""


def test_every_call_of_the_sdk_that_we_serve_works(page: Any, portal: tuple[Served, str]) -> None:
    api, origin = portal
    page.goto(f"{origin}/sdk.html")
    now = api.ctx.clock()
    period = {"created_from": gregorian(now - timedelta(hours=2)), "created_to": gregorian(now + timedelta(hours=1))}
    digest = hashlib.sha1(f"ann:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
    shown = page.evaluate(CALLS, [api.url, api.tokens["self"], "name of self", digest, period])
    refused = {name: answer["refused"] for name, answer in shown.items() if "refused" in answer}
    assert refused == {"wrong": 401, "whitelabel": 404, "missing": 404, "patched": 405, "deleted": 405}
    # The SDK parses a refusal only if its media type has no parameters.
    assert shown["wrong"]["parsed"]["message"] == "invalid_credentials"
    assert shown["wrong"]["parsed"]["httpErrorStatus"] == 401
    assert len(shown["key"]["auth_token"].split(".")) == 3
    login = shown["login"]["data"]
    assert shown["info"]["data"] == shown["old"]["data"] == login
    assert shown["info"]["auth_token"] == shown["login"]["auth_token"]
    assert shown["account"]["data"]["name"] == login["account_name"] == "name of self"
    assert [row["id"] for row in shown["children"]["data"]] == ["child"]
    assert shown["user"]["data"]["first_name"] == "ann"
    assert shown["users"]["data"] == shown["devices"]["data"] == []
    assert [row["name"] for row in shown["apps"]["data"]] == [APP]
    assert (len(shown["page"]["data"]), len(shown["rest"]["data"])) == (50, 10)
    assert "next_start_key" not in shown["rest"]
    assert len(shown["list"]["data"]) == 50
    assert sorted(row["call_id"] for row in shown["fields"]["data"]) == ["call1", "call2"]
    assert shown["detail"]["data"]["call_id"] == shown["page"]["data"][0]["call_id"]
    assert shown["legs"]["data"][0]["id"] == shown["page"]["data"][0]["id"]


# --- The portal -------------------------------------------------------------------------------------------------------


def test_a_user_reads_calls_in_monster_ui(page: Any, portal: tuple[Served, str]) -> None:
    if not (Path(DIRECTORY) / "apps" / APP / "app.js").exists():
        pytest.skip(f"the app {APP} is not installed in CDR_TEST_MONSTER_UI")
    api, origin = portal
    refused: list[tuple[int, str]] = []

    def note(response: Any) -> None:
        if response.url.startswith(api.url) and response.status >= 400:
            refused.append((response.status, re.sub(r"[?].*", "", response.url[len(api.url) :])))

    page.on("response", note)
    page.goto(origin)
    page.fill("#login", "ann")
    page.fill("#password", "wrong password")
    page.fill("#account_name", "name of self")
    page.press("#account_name", "Enter")
    page.locator(".error-message-wrapper .text", has_text="nvalid").wait_for()
    page.fill("#password", PASSWORD)
    page.press("#account_name", "Enter")
    rows = page.locator(".grid-row.main-leg")
    rows.nth(49).wait_for()
    assert rows.count() == 50
    first = rows.first.inner_text()
    assert "Caller 59" in first
    assert "+1 212 555 0100" in first
    assert "+49 30 123456" in first
    assert "normal clearing" in first.lower()
    # The rest comes with the key of the next page.
    page.evaluate("$('.call-logs-loader .loader-message').first().trigger('click')")
    rows.nth(59).wait_for()
    assert rows.count() == 60
    # A call opens to its legs, and a leg to its document.
    rows.first.click()
    page.locator(".extra-legs .grid-row").first.wait_for()
    page.evaluate("$('.details-cdr').first().trigger('click')")
    page.wait_for_function("document.body.innerText.includes('talk59')")
    # A page that is loaded again asks whose token its cookie has.
    page.reload()
    rows.nth(49).wait_for()
    # What a server without telephony does not have is refused as on a switch without it; nothing fails.
    assert all(status in (401, 404, 405) for status, _ in refused), refused
    assert not [path for _, path in refused if "cdrs" in path or "tokeninfo" in path]
