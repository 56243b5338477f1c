"""C15: last night's backup, and what was landed since, give the warehouse that was lost."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.accounts.tenancy import scoped
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.backup import back_up, restore
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import require_current, upgrade
from tests.support.records import rows

NOW = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(tmp_path_factory.mktemp("backed up"))
    made.ensure_running()
    upgrade(made.url)
    yield made
    made.destroy()


def _load(url: str, *records: dict[str, Any]) -> None:
    with connect(url) as connection:
        with batch_load(connection, BatchHeader("acct", uuid4(), "window", "s", NOW, date(2026, 3, 2))) as load:
            load.stage(rows(*records))
            load.finish(read=len(records))


def _hash(url: str) -> str:
    with connect(url) as connection:
        row = connection.execute(
            "SELECT md5(string_agg(record_id || business_date || coalesce(caller_id_name, '-') || list_digest, ','"
            " ORDER BY record_id)) FROM cdr"
        ).fetchone()
        assert row is not None
        return str(row[0])


@pytest.mark.fault("C15")
def test_a_restored_backup_and_the_loads_since_converge_to_what_was_lost(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    old = ({"record_id": "a"}, {"record_id": "b"})
    new = ({"record_id": "b", "caller_id_name": "x"}, {"record_id": "c", "business_date": date(2026, 4, 1)})
    with connect(server.url) as connection:
        Ledger(connection).accounts.add(Account("acct"), now=NOW)
    _load(server.url, *old)
    file = tmp_path / "last-night.dump"
    assert back_up(server, file) == file.stat().st_size
    _load(server.url, *new)
    lost = _hash(server.url)
    restore(server, file)
    assert _hash(server.url) != lost
    require_current(server.url)
    _load(server.url, *new)
    assert _hash(server.url) == lost
    with connect(server.url) as connection, scoped(connection, "acct"):
        assert connection.execute("SELECT count(*) FROM cdr_merged").fetchone() == (3,)
    damaged = tmp_path / "damaged.dump"
    damaged.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(WarehouseError, match="pg_restore failed"):
        restore(server, damaged)
    assert _hash(server.url) == lost
