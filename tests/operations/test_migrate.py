import re
import shutil
import threading
from pathlib import Path

import psycopg
import pytest

from cdr_pipeline.core.fields.dictionary import FIELDS, names
from cdr_pipeline.errors import WarehouseNewerThanCode, WarehouseNotMigrated
from cdr_pipeline.warehouse.records.merged_view import replace_merged_view
from cdr_pipeline.warehouse.server.engine import engine
from cdr_pipeline.warehouse.server.migrate import current, head, require_current, scripts, upgrade
from cdr_pipeline.warehouse.statements import BOOKKEEPING, STAGED

# They concern the installation, not an account.
UNPLACED = {
    "alembic_version",
    "migration_checksums",
    "warehouse_identity",
    "night_shards",
    "step_leases",
    "request_pace",
    "inbound_places",
    "inbound_files",
    "console_users",
    "console_links",
    "console_sessions",
    "console_events",
}
ALERTS = ("alerts", "alert_topics", "alert_deliveries")
# A sender knows a webhook by its id; on a cluster they are on the coordinator.
WEBHOOKS = ("webhooks", "webhook_dead_letters")
# A process that makes an extract knows it by its id; on a cluster they are on the coordinator.
EXTRACTS = ("extracts",)
VIEW = ("extra", "batch_id", "source_line", "saved_at", "changed_at", "linked_record_id", "leg_origin")


@pytest.fixture
def empty_url(warehouse_url: str) -> str:
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return warehouse_url


def _columns(url: str, table: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [table],
        ).fetchall()


def _spelled(kind: str) -> str:
    return kind.replace("timestamptz", "timestamp with time zone")


def test_an_empty_database_gets_this_versions_tables(empty_url: str) -> None:
    assert upgrade(empty_url).before is None
    require_current(empty_url)


def test_migrating_twice_does_nothing(empty_url: str) -> None:
    upgrade(empty_url)
    again = upgrade(empty_url)
    assert again.before == again.after


def test_an_unmigrated_database_is_refused_with_the_command_that_helps(empty_url: str) -> None:
    with pytest.raises(WarehouseNotMigrated) as raised:
        require_current(empty_url)
    assert "cdr-pipeline warehouse migrate" in raised.value.hint


def test_a_newer_database_is_refused_and_left_alone(empty_url: str) -> None:
    upgrade(empty_url)
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for call in (upgrade, require_current):
        with pytest.raises(WarehouseNewerThanCode, match="9999"):
            call(empty_url)
    assert current_revision(empty_url) == "9999"


def current_revision(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert row is not None
        return str(row[0])


def test_two_at_once_migrate_once(empty_url: str) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            upgrade(empty_url)
        except BaseException as error:  # noqa: BLE001 - whatever it is must reach the test
            failures.append(error)

    racing = [threading.Thread(target=run) for _ in range(2)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert failures == []
    require_current(empty_url)


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty_url: str, tmp_path: Path) -> None:
    upgrade(empty_url)
    folder = tmp_path / "migrations"
    shutil.copytree(scripts(), folder)
    newest, _ = head(folder)
    (folder / "versions" / "zz_broken.py").write_text(
        f'"""Broken."""\n\nfrom alembic import op\n\nrevision = "zzzz"\ndown_revision = "{newest}"\n'
        "branch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n"
        "    op.execute('CREATE TABLE half (n int)')\n"
        "    op.execute('SELECT 1 / 0')\n"
    )
    with pytest.raises(Exception, match="division by zero"):
        upgrade(empty_url, folder)
    assert current(empty_url) == newest
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("table", "more"),
    [
        ("cdr", BOOKKEEPING),
        ("cdr_history", (*BOOKKEEPING, "replaced_by", "replaced_at")),
        ("cdr_stage", STAGED),
        ("cdr_merged", VIEW),
    ],
)
def test_tables_and_view_have_the_columns_of_the_dictionary(
    warehouse_url: str, table: str, more: tuple[str, ...]
) -> None:
    columns = dict(_columns(warehouse_url, table))
    assert set(columns) == {*names(), *more}
    assert {name: columns[name] for name in names()} == {field.name: _spelled(field.kind.value) for field in FIELDS}


def test_the_view_of_the_migrations_is_the_generated_one(warehouse_url: str) -> None:
    query = "SELECT pg_get_viewdef('cdr_merged'::regclass)"
    database = engine(warehouse_url)
    with database.begin() as connection:
        migrated = connection.exec_driver_sql(query).scalar_one()
        replace_merged_view(connection)
        assert connection.exec_driver_sql(query).scalar_one() == migrated
    database.dispose()


def test_every_table_is_keyed_by_account(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url) as connection:
        keys = connection.execute(
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p'"
            " AND connamespace = 'public'::regnamespace"
        ).fetchall()
    for table, key in keys:
        if table not in {*UNPLACED, *ALERTS, *WEBHOOKS, *EXTRACTS}:
            assert re.search(r"\(.*\baccount_id\b", key), table
