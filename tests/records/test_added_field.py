"""A field is added as a developer adds one: an entry of the dictionary and a migration, in a copy of the product."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import cdr_pipeline
from cdr_pipeline.settings import bundled
from cdr_pipeline.warehouse.records.merged_view import add_field, drop_field
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import engine
from cdr_pipeline.warehouse.server.migrate import SHARD_BY_SHARD, head, scripts
from tests.support import added_field
from tests.support.days import collected, deliver

FIELD = """
    Field("added_email", Kind.TEXT, "E-mail address of the person who pays.", Privacy.FREE_TEXT, longest=320),
)

BY_NAME"""
MIGRATION = '''"""Adds the payer's e-mail address."""

from alembic import op

from cdr_pipeline.warehouse.records.merged_view import add_field, drop_field

revision = "added"
down_revision = "{}"


def upgrade() -> None:
    """Adds the column to tables and view."""
    add_field(op.get_bind(), "added_email", "text")


def downgrade() -> None:
    """Drops it."""
    drop_field(op.get_bind(), "added_email")
'''
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def answers(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the copy prints. Before the field is added, this version has loaded a record."""
    folder, name = tmp_path_factory.mktemp("added"), f"test_{secrets.token_hex(6)}"
    url = embedded_server.url_of(name)
    with psycopg.connect(embedded_server.url_of("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE cdr").format(sql.Identifier(name)))
    ctx = added_field.context(url, folder)
    collected(ctx)
    deliver(ctx, {"call_id": "call-1"})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_copy(folder)), str(REPOSITORY)])}
    command = [sys.executable, added_field.__file__, url, str(folder)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    with psycopg.connect(embedded_server.url_of("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _copy(folder: Path) -> Path:
    """A copy of package and SQL with the two changes."""
    root = folder / "copy"
    shutil.copytree(Path(cdr_pipeline.__file__).parent, root / "cdr_pipeline")
    shutil.copytree(bundled("sql"), root / "sql")
    dictionary = root / "cdr_pipeline" / "core" / "fields" / "dictionary.py"
    text = dictionary.read_text("utf-8")
    assert text.count("\n)\n\nBY_NAME") == 1
    dictionary.write_text(text.replace("\n)\n\nBY_NAME", FIELD), "utf-8")
    newest, _ = head(scripts())
    (root / "sql" / "migrations" / "versions" / "added_added_email.py").write_text(MIGRATION.format(newest))
    return root


def test_an_added_field_is_loaded_from_a_file(answers: dict[str, Any]) -> None:
    assert answers["stored"] == [["api", None], ["imported", added_field.EMAIL]]


def test_an_added_field_of_the_file_fills_the_switchs_leg(answers: dict[str, Any]) -> None:
    assert answers["merged"] == [["api+imported", added_field.EMAIL]]


def test_an_added_field_is_the_last_column_of_daily_files(answers: dict[str, Any]) -> None:
    assert answers["exported"] == ["added_email", [added_field.EMAIL]]


def test_an_added_field_is_left_out_of_redacted_files(answers: dict[str, Any]) -> None:
    assert answers["redacted"] == [None]


def test_an_added_field_can_be_searched(answers: dict[str, Any]) -> None:
    assert answers["found"] == ["r1"]


def test_an_added_field_is_in_the_detail_document(answers: dict[str, Any]) -> None:
    assert answers["document"] == added_field.EMAIL


def test_an_added_field_is_erased_by_its_privacy_class(answers: dict[str, Any]) -> None:
    assert answers["erased"] == [[None]]


def test_records_without_the_added_field_are_unchanged(answers: dict[str, Any]) -> None:
    assert answers["changes of a reload"] == 0


def test_a_dropped_field_leaves_view_and_grants_as_before(warehouse_url: str) -> None:
    query = (
        "SELECT pg_get_viewdef('cdr_merged'::regclass), relacl::text FROM pg_class WHERE oid = 'cdr_merged'::regclass"
    )
    database = engine(warehouse_url)
    with database.begin() as connection:
        connection.exec_driver_sql(SHARD_BY_SHARD)
        before = connection.exec_driver_sql(query).one()
        add_field(connection, "added_email", "text")
        drop_field(connection, "added_email")
        assert connection.exec_driver_sql(query).one() == before
        assert "cdr_reader" in before[1]
    database.dispose()
