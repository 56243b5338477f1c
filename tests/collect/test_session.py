"""A07: one login for all threads and processes, and none after a refusal."""

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from cdr_pipeline.errors import ConfigurationError, UpstreamAuthError
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.session import Credentials, Login, Session
from cdr_pipeline.sources.upstream import Window

KEY = Credentials(api_key="k" * 64)
WINDOW = Window(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC))


def session(folder: Path | None, clock: Callable[[], float] = lambda: 1000.0) -> Session:
    return Session(KEY, folder, KEY.fingerprint("https://switch.example"), clock)


class Logins:
    """Counts them."""

    def __init__(self, *, refused: bool = False) -> None:
        self.number = 0
        self.refused = refused

    def __call__(self) -> Login:
        self.number += 1
        if self.refused:
            raise UpstreamAuthError("refused")
        return Login(f"token-{self.number}", "owner")


def test_processes_share_a_token_through_a_file_of_the_owner(tmp_path: Path) -> None:
    logins = Logins()
    assert session(tmp_path / "s").renew("", logins) == "token-1"
    other = session(tmp_path / "s")
    assert other.token() == "token-1"
    files = [path for path in (tmp_path / "s").iterdir() if path.suffix == ".json"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
    assert "k" * 10 not in files[0].read_text()


@pytest.mark.parametrize("shared", [True, False])
def test_an_expired_token_costs_one_login_however_many_lose_it(tmp_path: Path, shared: bool) -> None:
    logins = Logins()
    folder = tmp_path if shared else None
    one = session(folder)
    sessions = [session(folder) for _ in range(4)] if shared else [one]
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda number: sessions[number % len(sessions)].renew("", logins), range(16)))
    assert set(tokens) == {"token-1"}
    assert logins.number == 1
    assert sessions[0].renew("token-1", logins) == "token-2"


def test_a_refusal_is_remembered_for_a_minute_by_all(tmp_path: Path) -> None:
    now = [1000.0]
    logins = Logins(refused=True)
    for _ in range(3):
        with pytest.raises(UpstreamAuthError):
            session(tmp_path, lambda: now[0]).renew("", logins)
    assert logins.number == 1
    now[0] += 61
    with pytest.raises(UpstreamAuthError):
        session(tmp_path, lambda: now[0]).renew("", logins)
    assert logins.number == 2


def test_the_account_of_the_credentials_costs_no_login_after_one() -> None:
    logins = Logins()
    one = session(None)
    one.renew("", logins)
    assert one.own_account(logins) == "owner"
    assert logins.number == 1


def test_another_process_names_the_account_of_the_credentials(tmp_path: Path) -> None:
    logins, own_logins = Logins(), Logins()
    waiting = session(tmp_path)
    session(tmp_path).renew("", logins)
    assert waiting.own_account(own_logins) == "owner"
    assert own_logins.number == 0


def test_a_session_of_an_earlier_version_logs_in_for_the_account(tmp_path: Path) -> None:
    (tmp_path / f"{KEY.fingerprint('https://switch.example')}.json").write_bytes(b'{"token":"old"}')
    logins = Logins()
    assert [session(tmp_path).own_account(logins) for _ in range(2)] == ["owner", "owner"]
    assert logins.number == 1
    assert session(tmp_path).token() == "token-1"


def test_a_refusal_also_holds_for_the_account_of_the_credentials(tmp_path: Path) -> None:
    logins = Logins(refused=True)
    for _ in range(2):
        with pytest.raises(UpstreamAuthError):
            session(tmp_path).own_account(logins)
    assert logins.number == 1


def test_a_damaged_file_is_no_session(tmp_path: Path) -> None:
    (tmp_path / f"{KEY.fingerprint('https://switch.example')}.json").write_bytes(b"{half")
    assert session(tmp_path).token() == ""


def test_other_credentials_have_another_session() -> None:
    assert KEY.fingerprint("https://a") != KEY.fingerprint("https://b")
    assert KEY.fingerprint("https://a") != Credentials(api_key="x").fingerprint("https://a")


def test_secrets_are_not_in_the_text_of_credentials() -> None:
    text = repr(Credentials(token="CANARY_TOK", api_key="CANARY_KEY", user="u", password="CANARY_PASS"))
    assert "CANARY" not in text


@pytest.mark.parametrize("method", ["md5", "sha"])
@pytest.mark.parametrize("by_realm", [True, False])
@pytest.mark.parametrize("dialect", [SwitchDialect.SEED_V1, SwitchDialect.K5])
def test_a_user_buys_a_token_with_the_hash_of_name_and_password(
    method: str,
    by_realm: bool,
    dialect: SwitchDialect,
) -> None:
    switch = SimulatedSwitch.build(dialect=dialect, calls_per_day=2)
    user, password = switch.user
    owner = switch.accounts[0]
    credentials = Credentials(
        user=user.upper(),
        password=password,
        account_name="" if by_realm else owner.name,
        account_realm=owner.realm if by_realm else "",
        method=method,
    )
    with run_switch(switch) as running, KazooClient(running.url, credentials) as client:
        assert len(list(client.pages(owner.account_id, WINDOW, dialect))) == 1
        assert client.own_account() == owner.account_id


def test_a_token_may_go_into_the_query_where_a_server_wants_it() -> None:
    switch = SimulatedSwitch.build(calls_per_day=2)
    with run_switch(switch) as running:
        with KazooClient(running.url, Credentials(token=switch.token), token_in_query=True) as client:
            pages = list(client.pages(switch.accounts[0].account_id, WINDOW, SwitchDialect.V2_K43))
    assert len(pages) == 1


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"api_user": "u"},
        {"api_user": "u", "api_password": SecretStr("p")},
        {"api_user": "u", "api_account_name": "a"},
    ],
)
def test_half_of_what_a_login_needs_is_refused(tmp_path: Path, given: dict[str, object]) -> None:
    settings = Settings(data_dir=tmp_path).model_copy(update=given)
    with pytest.raises(ConfigurationError, match="CDR_API_"):
        Credentials.from_settings(settings)
