"""``accounts sync`` against a switch whose tree has more accounts than a page."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from cdr_pipeline.cli.accounts.accounts import accounts_app
from cdr_pipeline.errors import (
    ConfigurationError,
    IncompleteNight,
    TransientUpstreamError,
    UpstreamAccountNotFound,
    WarehouseContended,
)
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.upstream import UpstreamAccount
from cdr_pipeline.sources.upstream_registry import UPSTREAMS
from cdr_pipeline.steps.accounts import sync_accounts as sync_step
from cdr_pipeline.steps.accounts.add_account import AccountRequest, add_account
from cdr_pipeline.steps.accounts.sync_accounts import SyncedAccounts, SyncRequest, sync_accounts
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.accounts import AccountTable
from cdr_pipeline.warehouse.ledger import Account
from tests.support.memory_upstream import MemoryClient, MemorySystem, MemoryUpstream
from tests.support.nights import warehouse


def synced(ctx: RunContext, switch: SimulatedSwitch, **request: object) -> SyncedAccounts:
    with run_switch(switch) as running:
        settings = ctx.settings.model_copy(
            update={
                "api_url": running.url,
                "api_key": SecretStr(switch.api_key),
                "api_requests_per_second": 10_000.0,
                "api_host_requests_per_second": 100_000.0,
            }
        )
        return sync_accounts(SyncRequest(**request), replace(ctx, settings=settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
def test_every_account_of_the_tree_is_learnt_with_name_zone_and_parent(ctx: RunContext, dialect: SwitchDialect) -> None:
    switch = SimulatedSwitch.build(accounts=120, calls_per_day=2, dialect=dialect)
    root = switch.accounts[0]
    found = synced(ctx, switch)
    assert found.root == root.account_id
    assert set(found.added) == {account.account_id for account in switch.accounts}
    known = warehouse(ctx, "SELECT account_id, name, time_zone, parent_id, active FROM accounts")
    assert set(known) == {
        (item.account_id, item.name, item.time_zone, item.parent_id, True) for item in switch.accounts
    }


def test_doing_it_again_changes_nothing_and_keeps_what_was_set_here(ctx: RunContext) -> None:
    switch = SimulatedSwitch.build(accounts=3, calls_per_day=2)
    synced(ctx, switch)
    one = switch.accounts[1].account_id
    changed = "UPDATE accounts SET time_zone = 'Asia/Tokyo', active = false, country_code = '81'"
    warehouse(ctx, f"{changed} WHERE account_id = '{one}' RETURNING 1")
    again = synced(ctx, switch)
    assert (again.added, again.changed, len(again.unchanged)) == ((), (), 3)
    kept = warehouse(ctx, f"SELECT time_zone, active, country_code FROM accounts WHERE account_id = '{one}'")
    assert kept == [("Asia/Tokyo", False, "81")]


def test_an_account_that_is_gone_is_named_and_deactivated_only_when_asked(ctx: RunContext) -> None:
    switch = SimulatedSwitch.build(accounts=3, calls_per_day=2)
    synced(ctx, switch)
    fewer = replace(switch, accounts=switch.accounts[:2])
    gone = switch.accounts[2].account_id
    assert synced(ctx, fewer).missing == (gone,)
    assert warehouse(ctx, "SELECT count(*) FROM accounts WHERE active") == [(3,)]
    assert synced(ctx, fewer, deactivate_missing=True).missing == (gone,)
    assert warehouse(ctx, "SELECT account_id FROM accounts WHERE NOT active") == [(gone,)]


def test_a_renamed_account_is_renamed(ctx: RunContext) -> None:
    switch = SimulatedSwitch.build(accounts=2, calls_per_day=2)
    synced(ctx, switch)
    renamed = replace(switch, accounts=(switch.accounts[0], replace(switch.accounts[1], name="New Name")))
    assert synced(ctx, renamed).changed == (switch.accounts[1].account_id,)


def test_an_id_that_cannot_be_a_folder_is_refused_by_name(ctx: RunContext) -> None:
    switch = SimulatedSwitch.build(accounts=2, calls_per_day=2)
    odd = replace(switch, accounts=(switch.accounts[0], replace(switch.accounts[1], account_id="../etc")))
    found = synced(ctx, odd)
    assert [account_id for account_id, _ in found.refused] == ["../etc"]
    assert warehouse(ctx, "SELECT count(*) FROM accounts") == [(1,)]


def test_a_bare_token_needs_a_root(ctx: RunContext) -> None:
    switch = SimulatedSwitch.build(accounts=2, calls_per_day=2)
    with run_switch(switch) as running:
        settings = ctx.settings.model_copy(update={"api_url": running.url, "api_token": SecretStr(switch.token)})
        with pytest.raises(ConfigurationError, match="which account it belongs to") as raised:
            sync_accounts(SyncRequest(), replace(ctx, settings=settings))
        assert "--root" in raised.value.hint
        found = sync_accounts(SyncRequest(root=switch.accounts[0].account_id), replace(ctx, settings=settings))
    assert len(found.added) == 2


@pytest.mark.fault("R206")
def test_what_is_set_during_a_walk_of_the_account_tree_stays(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = SimulatedSwitch.build(accounts=3, calls_per_day=2)
    child = switch.accounts[1].account_id
    add_account(AccountRequest(child, name="old", time_zone="UTC"), ctx)
    read = sync_step._Walk._account  # pyright: ignore[reportPrivateUsage]

    def set_meanwhile(*args: Any) -> Account:
        add_account(AccountRequest(child, time_zone="Asia/Tokyo", country_code="81", active=False), ctx)
        return read(*args)

    monkeypatch.setattr(sync_step._Walk, "_account", set_meanwhile)  # pyright: ignore[reportPrivateUsage]
    assert child in synced(ctx, switch).changed
    assert warehouse(
        ctx, f"SELECT name, time_zone, country_code, active FROM accounts WHERE account_id = '{child}'"
    ) == [(switch.accounts[1].name, "Asia/Tokyo", "81", False)]


def memory(monkeypatch: pytest.MonkeyPatch, accounts: int, *, unreadable: frozenset[str]) -> dict[str, str]:
    """Settings of an upstream in memory that lists no time zones and cannot read those of some accounts."""
    listed = tuple(UpstreamAccount(f"a{number}", parent_id="a0") for number in range(accounts))
    system = MemorySystem(listed, {}, unreadable_zones=unreadable)
    monkeypatch.setitem(UPSTREAMS, "memory", lambda settings: MemoryUpstream(settings, system))
    return {"upstream": "memory", "api_url": "https://memory.invalid"}


def test_an_account_that_cannot_be_read_fails_alone(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ctx.settings.model_copy(update=memory(monkeypatch, 3, unreadable=frozenset({"a1"})))
    found = sync_accounts(SyncRequest(deactivate_missing=True), replace(ctx, settings=settings))
    assert [(failure.account_id, failure.code) for failure in found.failures] == [("a1", UpstreamAccountNotFound.code)]
    assert (found.added, found.missing) == (("a0", "a2"), ())


def test_an_account_that_cannot_be_stored_fails_alone(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = AccountTable.add

    def broken(table: AccountTable, account: Account, *, now: datetime) -> None:
        if account.account_id == "a1":
            raise WarehouseContended("the warehouse was busy")
        whole(table, account, now=now)

    monkeypatch.setattr(AccountTable, "add", broken)
    settings = ctx.settings.model_copy(update=memory(monkeypatch, 3, unreadable=frozenset()))
    found = sync_accounts(SyncRequest(), replace(ctx, settings=settings))
    assert [(failure.account_id, failure.code) for failure in found.failures] == [("a1", WarehouseContended.code)]
    assert warehouse(ctx, "SELECT account_id FROM accounts ORDER BY 1") == [("a0",), ("a2",)]


def test_a_switch_that_is_down_is_not_asked_for_every_account(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def down(client: MemoryClient, account_id: str, dialect: str) -> str:
        asked.append(account_id)
        raise TransientUpstreamError(f"account {account_id}: {client.detect_dialect(account_id)} {dialect}: down")

    monkeypatch.setattr(MemoryClient, "time_zone", down)
    settings = ctx.settings.model_copy(update=memory(monkeypatch, 6, unreadable=frozenset()))
    found = sync_accounts(SyncRequest(), replace(ctx, settings=settings))
    assert len(found.failures) == 6
    assert asked == ["a0", "a1", "a2"]


def test_a_failed_account_is_named_and_the_command_fails(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    update = memory(monkeypatch, 2, unreadable=frozenset({"a1"}))
    monkeypatch.setattr(RunContext, "open", lambda settings, **more: replace(ctx, settings=settings, **more))
    for name, value in update.items():
        monkeypatch.setenv(f"CDR_{name.upper()}", value)
    result = CliRunner().invoke(accounts_app, ["sync"])
    assert isinstance(result.exception, IncompleteNight)
    assert "a1" in result.exception.message
    assert warehouse(ctx, "SELECT account_id FROM accounts") == [("a0",)]


def test_a_new_account_with_an_invalid_time_zone_is_named(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryClient, "time_zone", lambda *_: "Mars/Olympus")
    monkeypatch.setattr(RunContext, "open", lambda settings, **more: replace(ctx, settings=settings, **more))
    for name, value in memory(monkeypatch, 1, unreadable=frozenset()).items():
        monkeypatch.setenv(f"CDR_{name.upper()}", value)
    result = CliRunner().invoke(accounts_app, ["sync"])
    assert result.exit_code == 0
    assert "cdr-pipeline accounts add a0 --time-zone AREA/CITY" in result.output
    assert warehouse(ctx, "SELECT time_zone FROM accounts") == [(ctx.settings.time_zone,)]
