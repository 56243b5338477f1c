"""Every statement keeps to what PostgreSQL and a Citus cluster both accept."""

import pytest
from psycopg import connect as raw_connect

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.server.cluster import distribute
from cdr_pipeline.warehouse.statements import statement_texts
from tests.support.portable_sql import faults, filled


@pytest.mark.parametrize("name", sorted(statement_texts()))
def test_a_statement_runs_on_a_cluster_too(name: str) -> None:
    assert faults(filled(name)) == []


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
    with raw_connect(warehouse_url) as connection, pytest.raises(WarehouseError, match="no Citus"):
        distribute(connection)
