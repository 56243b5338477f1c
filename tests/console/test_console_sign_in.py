"""Sign-in: passwords, one-time links, sessions, waits after failures."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cdr_pipeline.console.attempts import Attempts
from cdr_pipeline.errors import ConfigurationError, SignInRefused
from cdr_pipeline.steps.accounts.users import (
    UserRequest,
    accept_invitation,
    change_user,
    follow_sign_in_link,
    invite_user,
    local_sign_in_link,
    sign_in,
    sign_in_link,
    signed_in,
)
from cdr_pipeline.steps.run_context import RunContext
from tests.support.console import PASSWORD, ServedConsole
from tests.support.serving import know


def at(ctx: RunContext, **later: float) -> RunContext:
    """The same place, later."""
    moment: datetime = ctx.clock() + timedelta(**later)
    return replace(ctx, clock=lambda: moment)


def invited(ctx: RunContext, role: str = "finance", account_id: str | None = None) -> str:
    """Secret of an invitation of A. Controller."""
    return invite_user(UserRequest("A. Controller", role, account_id), ctx).secret


def test_a_page_without_a_session_leads_to_sign_in_and_back(console: ServedConsole) -> None:
    console.person("viewer")
    person = console.anyone()
    away = person.get("/calendar?month=2026-03")
    assert (away.status_code, away.headers["location"]) == (303, "/sign-in?next=%2Fcalendar%3Fmonth%3D2026-03")
    form = {"name": "viewer of all", "password": PASSWORD, "next": "/calendar?month=2026-03"}
    back = person.client.post("/sign-in", data=form)
    assert (back.status_code, back.headers["location"]) == (303, "/calendar?month=2026-03")
    assert person.get("/calendar").status_code == 200


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\nb", ""]
)
def test_sign_in_never_leads_to_another_server(console: ServedConsole, target: str) -> None:
    console.person("viewer")
    form = {"name": "viewer of all", "password": PASSWORD, "next": target}
    assert console.anyone().client.post("/sign-in", data=form).headers["location"] == "/"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_sites(console: ServedConsole) -> None:
    console.person("viewer")
    form = {"name": "viewer of all", "password": PASSWORD}
    local = console.anyone().client.post("/sign-in", data=form)
    assert "HttpOnly" in local.headers["set-cookie"]
    assert "SameSite=lax" in local.headers["set-cookie"]
    public = console.anyone().client.post("/sign-in", data=form, headers={"Host": "cdr.example"})
    assert "Secure" in public.headers["set-cookie"]


def test_an_unknown_name_and_a_wrong_password_look_the_same(console: ServedConsole) -> None:
    console.person("viewer")
    pages = [
        console.anyone().client.post("/sign-in", data={"name": name, "password": "wrong password"})
        for name in ("viewer of all", "unknown user")
    ]
    assert [page.status_code for page in pages] == [401, 401]
    assert pages[0].text.replace("viewer of all", "unknown user") == pages[1].text


def test_an_invitation_sets_a_password_once(ctx: RunContext) -> None:
    secret = invited(ctx)
    session = accept_invitation(secret, PASSWORD, ctx)
    user = signed_in(session, ctx)
    assert user is not None
    assert (user.name, user.role, user.everything) == ("A. Controller", "finance", True)
    with pytest.raises(SignInRefused, match="used before"):
        accept_invitation(secret, PASSWORD, ctx)
    assert signed_in(sign_in("a. controller", PASSWORD, ctx), ctx) is not None


def test_an_invitation_expires(ctx: RunContext) -> None:
    secret = invited(ctx)
    with pytest.raises(SignInRefused, match="expired"):
        accept_invitation(secret, PASSWORD, at(ctx, days=8))


def test_a_short_password_is_refused_and_the_link_stays_valid(ctx: RunContext) -> None:
    secret = invited(ctx)
    with pytest.raises(SignInRefused, match="at least 12"):
        accept_invitation(secret, "short", ctx)
    assert accept_invitation(secret, PASSWORD, ctx)


def test_a_new_invitation_replaces_the_one_before_and_the_password(ctx: RunContext) -> None:
    first = accept_invitation(invited(ctx), PASSWORD, ctx)
    lost = invited(ctx)
    second = accept_invitation(invited(ctx), "another good password", ctx)
    with pytest.raises(SignInRefused):
        accept_invitation(lost, PASSWORD, ctx)
    with pytest.raises(SignInRefused):
        sign_in("A. Controller", PASSWORD, ctx)
    assert signed_in(first, ctx) is None
    assert signed_in(second, ctx) is not None


def test_an_invitation_does_not_change_the_role_of_a_known_user(ctx: RunContext) -> None:
    invited(ctx)
    with pytest.raises(ConfigurationError, match="exists with role finance"):
        invited(ctx, role="operator")


def test_a_session_ends_when_idle_and_after_a_working_day(ctx: RunContext) -> None:
    session = accept_invitation(invited(ctx), PASSWORD, ctx)
    assert signed_in(session, at(ctx, minutes=59)) is not None
    assert signed_in(session, at(ctx, minutes=118)) is not None
    assert signed_in(session, at(ctx, minutes=179)) is None
    busy = sign_in("A. Controller", PASSWORD, ctx)
    assert all(signed_in(busy, at(ctx, minutes=50 * step)) for step in range(1, 14))
    assert signed_in(busy, at(ctx, hours=12, seconds=1)) is None


def test_signing_out_ends_the_session_on_the_server(console: ServedConsole) -> None:
    person = console.person("viewer")
    secret = person.client.cookies["cdr_session"]
    assert person.send("/sign-out").headers["location"].startswith("/sign-in")
    assert signed_in(secret, console.ctx) is None


def test_a_changed_role_or_ended_access_signs_the_user_out(ctx: RunContext) -> None:
    session = accept_invitation(invited(ctx), PASSWORD, ctx)
    change_user("A. Controller", ctx, role="viewer")
    assert signed_in(session, ctx) is None
    change_user("A. Controller", ctx, disabled=True)
    with pytest.raises(SignInRefused):
        sign_in("A. Controller", PASSWORD, ctx)
    with pytest.raises(SignInRefused):
        sign_in_link("A. Controller", ctx)


def test_a_user_of_an_account_sees_it_and_the_accounts_below(ctx: RunContext) -> None:
    know(ctx)
    user = signed_in(accept_invitation(invited(ctx, account_id="self"), PASSWORD, ctx), ctx)
    assert user is not None
    assert (set(user.accounts), user.everything) == ({"self", "child"}, False)


def test_the_link_of_the_local_operator_works_once(ctx: RunContext) -> None:
    link = local_sign_in_link("operator", ctx)
    user = signed_in(follow_sign_in_link(link.secret, ctx), ctx)
    assert user is not None
    assert (user.role, user.everything) == ("operator", True)
    with pytest.raises(SignInRefused):
        follow_sign_in_link(link.secret, ctx)


def test_the_local_link_gives_a_known_user_no_other_role(ctx: RunContext) -> None:
    accept_invitation(invited(ctx, role="viewer"), PASSWORD, ctx)
    user = signed_in(follow_sign_in_link(local_sign_in_link("A. Controller", ctx).secret, ctx), ctx)
    assert user is not None
    assert user.role == "viewer"


def test_opening_a_link_does_not_use_it(console: ServedConsole) -> None:
    link = local_sign_in_link("operator", console.ctx)
    person = console.anyone()
    assert [person.get(f"/link/{link.secret}").status_code for _ in range(2)] == [200, 200]
    assert person.client.post(f"/link/{link.secret}").headers["location"] == "/"
    assert person.get("/").status_code == 200
    assert console.anyone().client.post(f"/link/{link.secret}").status_code == 410


def test_failures_of_one_address_do_not_lock_out_another() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(20):
        attempts.note_failure("192.0.2.1", "A. Controller")
    assert attempts.wait_seconds("192.0.2.1", "a. controller") > 200
    assert attempts.wait_seconds("198.51.100.1", "A. Controller") == 0


def test_waits_grow_with_failures_and_are_forgotten() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    waits = []
    for _ in range(8):
        waits.append(attempts.wait_seconds("192.0.2.1", "name"))
        attempts.note_failure("192.0.2.1", "name")
    assert waits[:6] == [0, 0, 0, 0, 0, 2]
    assert waits[6:] == [4, 8]
    now[0] = 3_601
    assert attempts.wait_seconds("192.0.2.1", "name") == 0


def test_an_address_that_tries_many_names_waits_too() -> None:
    attempts = Attempts(lambda: 0.0)
    for number in range(30):
        attempts.note_failure("192.0.2.1", f"name {number}")
    assert attempts.wait_seconds("192.0.2.1", "another name") > 0


def test_too_many_failures_answer_429_with_the_wait(console: ServedConsole) -> None:
    console.person("viewer")
    person = console.anyone()
    form = {"name": "viewer of all", "password": "wrong password"}
    statuses = [person.client.post("/sign-in", data=form).status_code for _ in range(6)]
    assert statuses == [401, 401, 401, 401, 401, 429]
    right = person.client.post("/sign-in", data=form | {"password": PASSWORD})
    assert (right.status_code, right.headers["retry-after"]) == (429, "2")
