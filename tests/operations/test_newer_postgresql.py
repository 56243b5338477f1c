"""The embedded warehouse moves from an older PostgreSQL to the installed one, and stays where it is if that fails.

CDR_TEST_OLD_POSTGRESQL names the folder of the programs of the older version.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cdr_pipeline.cli import terminal
from cdr_pipeline.cli.operations.upgrade import upgrade as upgrade_command
from cdr_pipeline.errors import ConfigurationError, WarehouseError, WarehouseNotMigrated, WarehouseOfOtherServer
from cdr_pipeline.settings import Settings
from cdr_pipeline.warehouse.server import newer_server
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.migrate import require_current, upgrade
from cdr_pipeline.warehouse.server.newer_server import move_to_newer_server
from tests.operations.test_upgrade_check import RECORDS
from tests.support.old_versions import version_at

OLD = Path(os.environ.get("CDR_TEST_OLD_POSTGRESQL", "/usr/lib/postgresql/none/bin"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (OLD / "pg_ctl").exists(), reason="CDR_TEST_OLD_POSTGRESQL names no older PostgreSQL"),
]
CONTENT = "SELECT md5(string_agg(record_id || list_digest, ',' ORDER BY record_id)) FROM cdr"


def content(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute(CONTENT).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, str]]:
    """Settings of a warehouse of the older PostgreSQL with 200 records, stopped; and their digest."""
    folder = tmp_path_factory.mktemp("old")
    settings = Settings(data_dir=folder / "data", DAGSTER_HOME=folder / "dagster")
    server = EmbeddedServer(settings.warehouse_dir, OLD)
    version_at(server.ensure_running(), "0001")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(RECORDS)
    before = content(server.url)
    server.stop()
    yield settings, before
    EmbeddedServer(settings.warehouse_dir).destroy()


def test_upgrade_moves_the_warehouse_to_the_installed_postgresql(
    old: tuple[Settings, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, before = old
    server = EmbeddedServer(settings.warehouse_dir)
    made_by = server.files_version
    with pytest.raises(WarehouseOfOtherServer, match=f"are of PostgreSQL {made_by}"):
        server.ensure_running()
    monkeypatch.setattr(terminal, "ready_settings", lambda: settings)
    with pytest.raises(WarehouseNotMigrated, match=f"PostgreSQL {made_by}"):
        upgrade_command(check=True)

    def fails(*_: object) -> None:
        raise WarehouseError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(newer_server, "restore", fails)
        with pytest.raises(WarehouseError, match="no space"):
            move_to_newer_server(server, OLD)
    assert server.files_version == made_by
    with pytest.raises(ConfigurationError, match=f"no programs of PostgreSQL {made_by}"):
        move_to_newer_server(server, server.programs)

    upgrade_command(old_programs=OLD)
    assert made_by
    assert server.files_version == server.version > made_by
    require_current(server.url)
    assert content(server.url) == before
    assert (server.cluster.with_name(f"cluster.postgresql{made_by}") / "PG_VERSION").exists()
    assert upgrade(server.url).before == upgrade(server.url).after
