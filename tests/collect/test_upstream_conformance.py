"""Every upstream keeps the protocol of ``sources.upstream``: Kazoo on the loopback interface, and one in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from cdr_pipeline.core.fields.dictionary import FIELDS
from cdr_pipeline.core.fields.schemas import working_schema
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.time.coverage import covered_through, not_covered
from cdr_pipeline.errors import ConfigurationError, UpstreamAccountNotFound, UpstreamError
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.landing import LandingFile
from cdr_pipeline.sources.upstream import (
    LandedReply,
    ListReply,
    RecordOwner,
    Upstream,
    UpstreamAccount,
    UpstreamClient,
    Window,
)
from cdr_pipeline.sources.upstream_registry import UPSTREAMS, upstream_named, upstream_of
from cdr_pipeline.steps.accounts.sync_accounts import SyncRequest, sync_accounts
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.run_context import RunContext
from tests.support.memory_upstream import MemoryCall, MemorySystem, MemoryUpstream
from tests.support.nights import DAY, night, records_of, require_sound, truth_of, warehouse

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
LAST = FIRST + timedelta(days=1, hours=6)
PLAN = NumberPlan("1")


@dataclass(frozen=True, slots=True)
class Installed:
    """An upstream that can be collected from.

    Attributes:
        settings: settings that select it, as an update of others.
        accounts: its accounts, root first.
        truth: account, id, start and seconds of the calls of a business date.
        secrets: credentials that must not be in any reply.
    """

    settings: dict[str, Any]
    accounts: tuple[UpstreamAccount, ...]
    truth: set[tuple[str, str, datetime, int]]
    secrets: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """Id of the top account."""
        return self.accounts[0].account_id

    def upstream(self, folder: Path) -> Upstream:
        """The upstream with settings of its own."""
        return upstream_of(Settings(data_dir=folder).model_copy(update=self.settings))


def memory_system(**changes: Any) -> MemorySystem:
    """Three accounts with ten calls on the day each; one call is saved five hours late."""
    accounts = (
        UpstreamAccount("top", "Top", None, "UTC"),
        UpstreamAccount("one", "One", "top"),
        UpstreamAccount("two", "Two", "top", "Asia/Tokyo"),
    )
    calls = {account.account_id: made_calls(account.account_id) for account in accounts}
    return replace(MemorySystem(accounts, calls), **changes)


def made_calls(account_id: str) -> list[MemoryCall]:
    """Calls at noon, ten minutes apart, so that they are on the same day in each zone of the accounts."""
    noon = FIRST + timedelta(hours=9)
    return [
        MemoryCall(f"{account_id}-{number}", began, 60 + number, began + timedelta(hours=5 if number == 9 else 0.1))
        for number in range(10)
        for began in [noon + timedelta(minutes=10 * number)]
    ]


def install_memory(system: MemorySystem, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Adds the line to the registry that a further upstream needs."""
    monkeypatch.setitem(UPSTREAMS, "memory", lambda settings: MemoryUpstream(settings, system))
    truth = {
        (account_id, call.call_id, call.began, call.seconds)
        for account_id, calls in system.calls.items()
        for call in calls
    }
    return Installed({"upstream": "memory", "api_url": "https://memory.invalid"}, system.accounts, truth)


@pytest.fixture(params=["kazoo", "memory"])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    if request.param == "memory":
        yield install_memory(memory_system(), monkeypatch)
        return
    switch = SimulatedSwitch.build(accounts=3, calls_per_day=8)
    accounts = tuple(
        UpstreamAccount(account.account_id, account.name, account.parent_id, account.time_zone, account.realm)
        for account in switch.accounts
    )
    truth = {(account_id, call_id, began, int(seconds)) for account_id, call_id, began, seconds, _ in truth_of(switch)}
    with run_switch(switch) as running:
        settings = {
            "api_url": running.url,
            "api_key": SecretStr(switch.api_key),
            "api_page_size": 3,
            "api_requests_per_second": 10_000.0,
            "api_host_requests_per_second": 100_000.0,
        }
        yield Installed(settings, accounts, truth, (switch.token, switch.api_key))


@pytest.fixture
def upstream(installed: Installed, tmp_path: Path) -> Upstream:
    return installed.upstream(tmp_path)


@pytest.fixture
def client(upstream: Upstream) -> Iterator[UpstreamClient]:
    with upstream.connect() as opened:
        yield opened


def detected(client: UpstreamClient, installed: Installed) -> str:
    return client.detect_dialect(installed.root)


def replies_of(
    upstream: Upstream, client: UpstreamClient, account_id: str, *, first: datetime = FIRST, last: datetime = LAST
) -> list[list[ListReply]]:
    """The replies of each planned window."""
    dialect = client.detect_dialect(account_id)
    return [list(client.pages(account_id, window, dialect)) for window in upstream.plan_windows(first, last, dialect)]


def landed(reply: ListReply, *, checked: bool = False) -> LandedReply:
    """The reply as it is read back; ``checked`` leaves out the keys that spare the second check."""
    keys = tuple(sorted(reply.page.keys)) if reply.page.plain and not checked else None
    return LandedReply("page", reply.body, reply.page.rows, keys)


def rows_of(upstream: Upstream, replies: list[LandedReply], account: UpstreamAccount) -> pl.DataFrame:
    owner = RecordOwner(account.account_id, account.time_zone or "UTC", PLAN)
    frames = list(upstream.normalized(replies, owner))
    assert all(frame.rejects.is_empty() for frame in frames)
    return pl.concat([frame.rows for frame in frames])


def test_the_registry_knows_it_by_its_name(upstream: Upstream, tmp_path: Path) -> None:
    assert type(upstream_named(upstream.name, Settings(data_dir=tmp_path))) is type(upstream)


@pytest.mark.parametrize("days", [0.25, 1, 3, 70])
def test_planned_windows_cover_an_interval(upstream: Upstream, days: float) -> None:
    last = FIRST + timedelta(days=days)
    for dialect in upstream.dialects:
        spans = [(window.starts_at, window.ends_at) for window in upstream.plan_windows(FIRST, last, dialect)]
        assert covered_through(FIRST, spans) >= last
        assert not_covered(upstream.needed_spans(FIRST, last, dialect), spans) == []


def test_windows_read_again_cover_what_they_covered(upstream: Upstream) -> None:
    last = FIRST + timedelta(days=40)
    for dialect in upstream.dialects:
        spans = [(window.starts_at, window.ends_at) for window in upstream.plan_windows(FIRST, last, dialect)]
        again = [(window.starts_at, window.ends_at) for window in upstream.windows_again(spans)]
        assert covered_through(FIRST, again) >= last
        assert not_covered(upstream.needed_spans(FIRST, last, dialect), again) == []


def test_lighter_windows_cover_a_window_or_say_what_is_missing(upstream: Upstream) -> None:
    for window in upstream.plan_windows(FIRST, FIRST + timedelta(days=40), upstream.dialects[0]):
        lighter = upstream.lighter_windows(window)
        spans = [(part.starts_at, part.ends_at) for part in lighter.parts]
        assert covered_through(window.starts_at, spans) >= window.ends_at or lighter.missing


def test_lighter_windows_end(upstream: Upstream) -> None:
    window = upstream.plan_windows(FIRST, LAST, upstream.dialects[0])[0]
    for _ in range(40):
        parts = upstream.lighter_windows(window).parts
        if not parts:
            break
        window = parts[0]
    assert window.ends_at - window.starts_at == timedelta(seconds=1)


def test_the_detected_dialect_is_one_of_its_own(
    upstream: Upstream, client: UpstreamClient, installed: Installed
) -> None:
    assert detected(client, installed) in upstream.dialects


def test_a_dialect_that_it_does_not_speak_is_an_error(
    upstream: Upstream, client: UpstreamClient, installed: Installed
) -> None:
    spoken = detected(client, installed)
    for dialect in upstream.dialects_unlike(spoken):
        with pytest.raises(UpstreamError):
            list(client.pages(installed.root, Window(FIRST, FIRST + timedelta(hours=1)), dialect))


def test_planned_windows_return_exactly_the_calls_of_a_day(
    upstream: Upstream, client: UpstreamClient, installed: Installed
) -> None:
    found: set[tuple[Any, ...]] = set()
    for account in installed.accounts:
        known = replace(account, time_zone=account.time_zone or "UTC")
        first, last = FIRST - timedelta(hours=15), LAST + timedelta(hours=12)
        for replies in replies_of(upstream, client, account.account_id, first=first, last=last):
            rows = rows_of(upstream, [landed(reply) for reply in replies], known)
            found |= set(
                rows.filter(pl.col("business_date") == DAY)
                .select("account_id", "record_id", "started_at", pl.col("duration_seconds").cast(pl.Int64))
                .rows()
            )
    assert found == installed.truth


def test_each_row_of_a_window_becomes_one_row_in_order(
    upstream: Upstream, client: UpstreamClient, installed: Installed
) -> None:
    for replies in replies_of(upstream, client, installed.root):
        rows = rows_of(upstream, [landed(reply) for reply in replies], installed.accounts[0])
        assert rows["line"].to_list() == list(range(1, sum(reply.page.rows for reply in replies) + 1))


def test_normalised_rows_have_the_working_schema(
    upstream: Upstream, client: UpstreamClient, installed: Installed
) -> None:
    replies = replies_of(upstream, client, installed.root)[0]
    rows = rows_of(upstream, [landed(reply) for reply in replies], installed.accounts[0])
    assert working_schema().items() <= dict(rows.schema).items()
    assert set(rows.columns) - set(working_schema()) <= {"has_detail", "detail_source"}


def test_keys_that_spare_a_check_change_no_row(
    upstream: Upstream, client: UpstreamClient, installed: Installed
) -> None:
    for replies in replies_of(upstream, client, installed.root):
        short = rows_of(upstream, [landed(reply) for reply in replies], installed.accounts[0])
        long = rows_of(upstream, [landed(reply, checked=True) for reply in replies], installed.accounts[0])
        assert short.drop("raw").equals(long.drop("raw"))


def test_a_window_read_twice_lists_the_same_bytes(
    upstream: Upstream, client: UpstreamClient, installed: Installed
) -> None:
    first, second = (
        [[reply.page.listed for reply in replies] for replies in replies_of(upstream, client, installed.root)]
        for _ in range(2)
    )
    assert first == second


def test_replies_contain_no_credentials(upstream: Upstream, client: UpstreamClient, installed: Installed) -> None:
    bodies = [reply.body for replies in replies_of(upstream, client, installed.root) for reply in replies]
    assert bodies
    assert not [secret for secret in installed.secrets for body in bodies if secret.encode() in body]


def test_details_complete_their_rows(upstream: Upstream, client: UpstreamClient, installed: Installed) -> None:
    dialect = detected(client, installed)
    replies = next(
        replies for replies in replies_of(upstream, client, installed.root) if any(one.page.rows for one in replies)
    )
    parts: list[LandedReply] = []
    for reply in replies:
        parts.append(landed(reply))
        documents = [client.detail(installed.root, record_id, dialect) for record_id in reply.page.record_ids]
        parts += [LandedReply("detail", document, 0, None) for document in documents]
    rows = rows_of(upstream, parts, installed.accounts[0])
    assert rows["has_detail"].all()
    alone = rows_of(upstream, [landed(reply) for reply in replies], installed.accounts[0])
    listed = [field.name for field in FIELDS if not field.detail_only]
    assert rows.select(listed).equals(alone.select(listed))
    assert rows["detail_source"].null_count() == 0


def test_an_account_that_it_does_not_have_is_an_error(client: UpstreamClient) -> None:
    with pytest.raises(UpstreamAccountNotFound):
        client.detect_dialect("f" * 32)


def test_accounts_are_listed_once_with_the_root_first(client: UpstreamClient, installed: Installed) -> None:
    dialect = detected(client, installed)
    listed = client.accounts(client.own_account(), dialect)
    assert listed[0].account_id == installed.root
    assert sorted(account.account_id for account in listed) == sorted(one.account_id for one in installed.accounts)
    zones = [
        client.time_zone(account.account_id, dialect) if account.time_zone is None else account.time_zone
        for account in listed
    ]
    assert all(zones)


def test_its_clock_is_this_machines(upstream: Upstream) -> None:
    told = upstream.clock()
    assert told is not None
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=60)


def test_without_an_address_there_is_no_client(installed: Installed, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path).model_copy(update=installed.settings | {"api_url": None})
    with pytest.raises(ConfigurationError, match="CDR_API_URL"):
        upstream_of(settings).connect()


def test_a_night_ends_in_its_calls_and_the_next_one_changes_nothing(ctx: RunContext, installed: Installed) -> None:
    at = replace(ctx, settings=ctx.settings.model_copy(update=installed.settings | {"api_details": True}))
    assert set(sync_accounts(SyncRequest(), at).added) == {account.account_id for account in installed.accounts}
    collected, loaded = night(at)
    assert (collected.failures, loaded.failures, loaded.incomplete) == ((), (), ())
    assert {record[:4] for record in records_of(at)} == installed.truth
    assert warehouse(at, "SELECT count(*) FROM cdr WHERE NOT has_detail") == [(0,)]
    again, reloaded = night(at)
    assert again.failures == ()
    assert (reloaded.counts.merged, reloaded.counts.read) == (0, loaded.counts.read)
    require_sound(at)


def test_landed_windows_are_loaded_by_the_upstream_that_they_name(ctx: RunContext, installed: Installed) -> None:
    at = replace(ctx, settings=ctx.settings.model_copy(update=installed.settings))
    sync_accounts(SyncRequest(), at)
    night(at)
    selected = upstream_of(at.settings).name
    paths = list(at.settings.landing_dir.glob("api/**/*.pages.gz"))
    assert {LandingFile.open(path).upstream for path in paths} == {selected}
    other = "kazoo" if selected == "memory" else "memory"
    settings = at.settings.model_copy(update={"upstream": other} if other in UPSTREAMS else {})
    replayed = load_day(LoadRequest(DAY, replay=True), replace(at, settings=settings))
    assert replayed.failures == ()
    assert {record[:4] for record in records_of(at)} == installed.truth


def test_a_window_that_is_too_heavy_is_collected_in_parts(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install_memory(memory_system(heaviest=timedelta(hours=3)), monkeypatch)
    at = replace(ctx, settings=ctx.settings.model_copy(update=installed.settings))
    sync_accounts(SyncRequest(), at)
    collected, loaded = night(at)
    assert (collected.failures, loaded.incomplete) == ((), ())
    assert {record[:4] for record in records_of(at)} == installed.truth


def test_another_dialect_of_any_upstream_is_detected_anew(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install_memory(memory_system(), monkeypatch)
    at = replace(ctx, settings=ctx.settings.model_copy(update=installed.settings))
    sync_accounts(SyncRequest(), at)
    night(at)
    install_memory(memory_system(dialect="bars"), monkeypatch)
    collected, _ = night(at, date(2026, 3, 3))
    assert collected.failures == ()
    assert {part.dialect for part in collected.accounts} == {"bars"}


def test_a_stored_dialect_of_another_upstream_is_detected_anew(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = install_memory(memory_system(), monkeypatch)
    at = replace(ctx, settings=ctx.settings.model_copy(update=installed.settings))
    sync_accounts(SyncRequest(), at)
    warehouse(at, "UPDATE accounts SET dialect = 'v2_k43' RETURNING 1")
    collected, _ = night(at)
    assert collected.failures == ()
    assert {part.dialect for part in collected.accounts} == {"tabs"}


@pytest.mark.parametrize(
    ("update", "variable"), [({"upstream": "other"}, "CDR_UPSTREAM"), ({"api_dialect": "v9"}, "CDR_API_DIALECT")]
)
def test_settings_that_select_no_upstream_are_named(tmp_path: Path, update: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        upstream_of(Settings(data_dir=tmp_path).model_copy(update=update))
    assert variable in f"{raised.value.message} {raised.value.hint}"
