"""Every statement keeps to what PostgreSQL and a Citus cluster both accept."""

import pytest
from psycopg import connect as raw_connect
from psycopg.errors import FeatureNotSupported

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.server.cluster import LOCAL, REFERENCE, distribute, is_cluster
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.statements import statement_texts
from tests.support.executed_statements import execute
from tests.support.portable_sql import DISTRIBUTED, SINGLE_SERVER, faults, filled


@pytest.mark.parametrize("name", sorted(statement_texts()))
def test_a_statement_runs_on_a_cluster_too(name: str) -> None:
    assert (faults(filled(name)) == []) == (name not in SINGLE_SERVER)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("SELECT 1 FROM cdr JOIN days ON days.business_date = cdr.business_date", "a join of distributed tables"),
        ("UPDATE days SET changed_at = now() WHERE account_id = 'a'", "clock"),
        ("INSERT INTO days VALUES (1) ON CONFLICT (account_id) DO UPDATE SET changed_at = random()", "clock"),
        (
            "MERGE INTO cdr USING cdr_stage ON cdr.record_id = cdr_stage.record_id WHEN MATCHED THEN DELETE",
            "a change by another table",
        ),
        ("DELETE FROM cdr USING cdr_stage WHERE cdr.record_id = cdr_stage.record_id", "a change by another table"),
        (
            "UPDATE cdr SET raw = s.raw FROM cdr_stage AS s WHERE s.record_id = cdr.record_id",
            "a change by another table",
        ),
        ("SELECT count(*) FROM cdr GROUP BY ROLLUP (origin)", "grouping"),
        ("UPDATE cdr SET account_id = 'b'", "changes its account"),
        ("CREATE TRIGGER t BEFORE INSERT ON cdr FOR EACH ROW EXECUTE FUNCTION f()", "trigger"),
        ("SELECT ctid FROM cdr", "places"),
        ("ALTER TABLE cdr DETACH PARTITION cdr_y2026m01 CONCURRENTLY", "detaching"),
        (
            (
                "SELECT fence, EXISTS (SELECT 1 FROM windows WHERE windows.account_id = collections.account_id)"
                " FROM collections WHERE account_id = ANY(%(account_ids)s)"
            ),
            "tables of the coordinator",
        ),
        (
            "SELECT month FROM removed_months WHERE EXISTS (SELECT 1 FROM pg_inherits)",
            "tables of the coordinator",
        ),
        (
            (
                "SELECT 1 FROM (SELECT account_id, generate_series(1, 2) AS n FROM accounts) AS due"
                " LEFT JOIN days ON days.account_id = due.account_id"
            ),
            "an outer join",
        ),
        (
            (
                "WITH RECURSIVE a AS (SELECT account_id FROM api_tokens UNION ALL SELECT batches.account_id"
                " FROM a INNER JOIN batches ON batches.account_id = a.account_id) SELECT account_id FROM a"
            ),
            "tables of the coordinator",
        ),
        (
            (
                "WITH RECURSIVE below AS (SELECT account_id FROM days UNION ALL SELECT days.account_id FROM below"
                " INNER JOIN days ON days.account_id = below.account_id) SELECT account_id FROM below"
            ),
            "a recursive query",
        ),
        (
            (
                "SELECT (SELECT row_to_json(listed) FROM (SELECT record.record_id) AS listed) FROM cdr_merged AS record"
                " WHERE record.account_id = ANY(%(account_ids)s) LIMIT 50"
            ),
            "a subquery without FROM",
        ),
        (
            (
                "SELECT newest.business_date FROM (SELECT DISTINCT ON (carrier) account_id, business_date, changed_at"
                " FROM reconciliations WHERE account_id = %(account_id)s) AS newest WHERE newest.changed_at IS NULL OR"
                " EXISTS (SELECT 1 FROM rejects WHERE rejects.account_id = newest.account_id)"
            ),
            "a subquery of several accounts for each computed row",
        ),
        (
            (
                "DELETE FROM cdr_history AS past WHERE past.account_id = %(account_id)s AND (past.version = 1"
                " OR EXISTS (SELECT 1 FROM days WHERE days.account_id = past.account_id))"
            ),
            "a subquery that asks every node",
        ),
        (
            (
                "SELECT wanted.account_id FROM unnest($1::text []) AS wanted (account_id) WHERE EXISTS"
                " (SELECT 1 FROM uploads WHERE uploads.account_id = wanted.account_id)"
            ),
            "a subquery of several accounts for each computed row",
        ),
        ("DELETE FROM days WHERE version = 1 RETURNING set_config('work_mem', '1MB', true)", "a function among"),
        (
            "ALTER POLICY within_scope ON cdr USING (account_id = ANY((SELECT current_setting('scope'))::text []))",
            "a policy with a subquery",
        ),
    ],
)
def test_a_statement_that_a_cluster_rejects_is_detected(text: str, fault: str) -> None:
    assert any(fault in detected for detected in faults(text))


def test_materialized_parts_are_planned_on_their_own() -> None:
    text = (
        "WITH failed AS MATERIALIZED (SELECT account_id FROM windows) SELECT 1 FROM collections"
        " LEFT JOIN failed ON failed.account_id = collections.account_id"
    )
    assert faults(text) == []


def test_a_database_without_citus_is_not_distributed(warehouse_url: str) -> None:
    with raw_connect(warehouse_url) as connection:
        if is_cluster(connection):
            pytest.skip("only another server has no Citus")
        with pytest.raises(WarehouseError, match="no Citus"):
            distribute(connection)


def test_the_server_supports_every_statement(warehouse_url: str) -> None:
    refused: dict[str, str] = {}
    with raw_connect(warehouse_url, autocommit=True) as connection:
        for name in statement_texts():
            try:
                execute(connection, filled(name))
            except FeatureNotSupported as error:
                if not (name in SINGLE_SERVER and is_cluster(connection)):
                    refused[name] = str(error)
    assert refused == {}


def test_every_table_is_placed_by_one_rule(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
            " AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')"
        ).fetchall()
    assert {table for (table,) in tables} | {"cdr_merged"} == DISTRIBUTED | REFERENCE | LOCAL
