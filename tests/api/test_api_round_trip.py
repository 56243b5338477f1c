"""Our own client of the switch, pointed at our own server, collects the very records that the server has."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import httpx2
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.session import Credentials
from cdr_pipeline.steps.accounts.sync_accounts import SyncRequest, sync_accounts
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.migrate import upgrade
from tests.support.nights import night, playing, truth_of
from tests.support.serving import serving, token_for

DAY = date(2026, 3, 2)


def records(ctx: RunContext) -> list[tuple[object, ...]]:
    """Every canonical column of every record of the day."""
    columns = ", ".join(names())
    with ctx.ledger() as ledger:
        return ledger.connection.execute(
            f"SELECT {columns} FROM cdr WHERE business_date = '{DAY}' ORDER BY account_id, record_id"
        ).fetchall()


@pytest.mark.slow
# A dialect that is stated and not spoken is refused, see the fault case R405: pages of v1 name version 4.3 here.
@pytest.mark.parametrize("dialect", ["auto", "v2_k43"])
def test_a_pipeline_that_collects_from_our_server_has_the_same_records(
    ctx: RunContext, tmp_path: Path, dialect: str
) -> None:
    switch = SimulatedSwitch.build(seed=7, accounts=2, calls_per_day=40)
    top = switch.accounts[0].account_id
    with run_switch(switch) as running:
        first = playing(ctx, switch, running.url, api_details=True)
        with ctx.ledger() as ledger:
            for account in ledger.accounts.all():
                above = None if account.account_id == top else top
                ledger.accounts.set_name_and_parent(account.account_id, name=account.name, parent_id=above)
        night(first, DAY)
    name = f"copy_{tmp_path.name[-8:]}_{dialect}"
    admin = ctx.url.replace(ctx.url.rsplit("/", 1)[1].split("?")[0], "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = ctx.url.replace(ctx.url.rsplit("/", 1)[1].split("?")[0], name)
    upgrade(url)
    with serving(ctx, serve_requests_per_second=0) as api:
        token = token_for(ctx, top)
        settings = ctx.settings.model_copy(
            update={
                "warehouse_url": SecretStr(url),
                "data_dir": tmp_path / "copy",
                "api_url": api.url,
                "api_token": SecretStr(token),
                "api_details": True,
                "api_dialect": dialect,
                "api_page_size": 7,
                "api_requests_per_second": 10_000.0,
            }
        )
        copy = replace(ctx, settings=settings, url=url)
        with copy.ledger() as ledger:
            for account in switch.accounts:
                with ctx.ledger() as source:
                    (known,) = source.accounts.active([account.account_id])
                ledger.accounts.add(known, now=ctx.clock())
        collected, _ = night(copy, DAY)
        assert collected.failures == ()
    mine, theirs = records(ctx), records(copy)
    assert len(mine) == len(truth_of(switch, DAY))
    assert mine == theirs
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_the_client_takes_our_server_for_a_switch_of_4_3(ctx: RunContext) -> None:
    with serving(ctx) as api, KazooClient(api.url, Credentials(token=api.tokens["self"])) as client:
        assert client.detect_dialect("self") is SwitchDialect.V2_K43


def test_accounts_can_be_synchronised_from_our_server(ctx: RunContext, tmp_path: Path) -> None:
    with serving(ctx) as api:
        settings = ctx.settings.model_copy(
            update={"api_url": api.url, "api_token": SecretStr(api.tokens["top"]), "data_dir": tmp_path / "other"}
        )
        synced = sync_accounts(SyncRequest("top", deactivate_missing=False), replace(ctx, settings=settings))
        assert set(synced.unchanged) | set(synced.changed) >= {"self", "child", "sibling"}
        assert httpx2.get(f"{api.url}/healthz").status_code == 200
