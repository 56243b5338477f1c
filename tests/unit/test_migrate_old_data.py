"""A warehouse of the first version, with rows in it, becomes one of this version without losing or changing any."""

import psycopg
import pytest
from old_versions import first_version_at

from cdr_pipeline.warehouse.engine import connect
from cdr_pipeline.warehouse.migrate import require_current, upgrade

ROWS = """
    INSERT INTO cdr (account_id, origin, record_id, business_date, started_at, cost, extra, has_detail, list_digest,
        row_digest, batch_id, source_line, changed_at)
    SELECT 'acct', origin, 'r' || n, date '2025-11-15' + n * 20,
        timestamptz '2025-11-15 12:00Z' + n * interval '20 days', n, '{"k": 1}', true, md5('l' || n), md5('r' || n),
        gen_random_uuid(), n, timestamptz '2026-03-01Z'
    FROM generate_series(1, 6) AS n, unnest(ARRAY['api', 'imported']) AS origin
"""
SHOWN = "SELECT origin, record_id, business_date, started_at, cost, extra, list_digest FROM cdr ORDER BY 1, 2"


@pytest.fixture
def first_version(warehouse_url: str) -> str:
    return first_version_at(warehouse_url)


def test_rows_of_the_first_version_come_through_every_migration(first_version: str) -> None:
    with psycopg.connect(first_version, autocommit=True) as connection:
        connection.execute(ROWS)
        before = connection.execute(SHOWN).fetchall()
    assert upgrade(first_version).before == "0001"
    require_current(first_version)
    with connect(first_version) as connection:
        assert connection.execute(SHOWN).fetchall() == before
        keys = connection.execute(
            "SELECT count(*) FROM cdr JOIN cdr_keys AS k USING (account_id, origin, record_id, business_date)"
            " WHERE k.list_digest = cdr.list_digest::uuid"
        ).fetchone()
        months = connection.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'cdr'::regclass").fetchone()
    assert keys == (12,)
    assert months == (4,)
