"""An API with records of everybody, for the tests of a file: they attack it one after the other."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.databases import copied_database
from tests.support.own_clock import by_own_clock
from tests.support.serving import Served, serving, store

LEG = {
    "caller_id_number": "+12125550100",
    "caller_e164": "+12125550100",
    "callee_e164": "+4930123456",
    "callee_id_number": "030123456",
    "caller_id_name": "Bakery 100%_off",
    "from_uri": "sip:100@192.0.2.7",
    "from_host": "192.0.2.7",
    "to_host": "pbx0.example",
    "sip_to": "200@pbx0.example",
    "sip_from": "100@192.0.2.7",
    "remote_rtp_address": "198.51.100.7",
    "local_rtp_address": "2001:db8::7",
    "owner_id": "u1",
    "tenant_id": "t1",
    "access_group": "sales",
    "realm": "pbx0.example",
    "endpoint_id": "d1",
    "carrier": "acme",
    "user_agent": "Phone/1",
    "answered": True,
}


@pytest.fixture(scope="module")
def api(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Accounts of a tree, each with two records, one of which has everything."""
    with copied_database(embedded_server) as url:
        yield from _served(url, tmp_path_factory)


def _served(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("api")
    settings = Settings(
        data_dir=folder / "data",
        warehouse_url=SecretStr(url),
        DAGSTER_HOME=folder / "dagster_home",
        serve_requests_per_second=0,
        serve_upload_bytes=100_000,
    )
    ctx = RunContext.open(by_own_clock(settings), clock=lambda: datetime(2026, 3, 20, 12, tzinfo=UTC))
    with serving(ctx) as served:
        for account_id in ("self", "child", "sibling", "stranger", "top"):
            store(
                ctx,
                account_id,
                LEG,
                {"hangup_cause": "NO_ANSWER", "call_direction": "outbound"},
                now=ctx.clock() - timedelta(1),
            )
        yield served
