"""A restore that is killed at any moment leaves one whole warehouse: the one before or the restored one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.backup import back_up, restore
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import upgrade
from tests.support.records import rows

NOW = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(tmp_path_factory.mktemp("restored"))
    made.ensure_running()
    upgrade(made.url)
    with connect(made.url) as connection:
        Ledger(connection).accounts.add(Account("acct"), now=NOW)
    yield made
    made.destroy()


def load(url: str, record_id: str) -> None:
    header = BatchHeader("acct", uuid4(), "window", "s", NOW, date(2026, 3, 2))
    with connect(url) as connection, batch_load(connection, header) as batch:
        batch.stage(rows({"record_id": record_id}))
        batch.finish(read=1)


def records(server: EmbeddedServer) -> list[str]:
    with connect(server.ensure_running()) as connection:
        return [row[0] for row in connection.execute("SELECT record_id FROM cdr ORDER BY 1").fetchall()]


class Died(BaseException):
    """The process ends here."""


@pytest.mark.fault("R702")
def test_a_restore_killed_between_its_renames_changes_nothing(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(server.url, "a")
    back_up(server, tmp_path / "a.dump")
    load(server.url, "b")
    execute = psycopg.Connection.execute

    def die_after_the_first_rename(self: psycopg.Connection[Any], query: Any, *more: Any, **named: Any) -> Any:
        result = execute(self, query, *more, **named)
        if "RENAME TO" in (query if isinstance(query, str) else query.as_string(self)):
            raise Died
        return result

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", die_after_the_first_rename)
        with pytest.raises(Died):
            restore(server, tmp_path / "a.dump")
    assert records(server) == ["a", "b"]
    restore(server, tmp_path / "a.dump")
    assert records(server) == ["a"]
