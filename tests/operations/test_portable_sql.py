"""Every statement keeps to what plain PostgreSQL and a Citus cluster both take."""

import re
from typing import Final

import pytest
from psycopg import connect as raw_connect

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.server.cluster import LOCAL, distribute
from cdr_pipeline.warehouse.statements import statement_texts

VOLATILE: Final = re.compile(r"\b(now|clock_timestamp|random|gen_random_uuid)\(")
CATALOGUE: Final = re.compile(r"\b(pg_\w+|unnest|generate_series|LATERAL|accounts)\b")


def code(text: str) -> str:
    """A statement without its comments."""
    return re.sub(r"--[^\n]*", "", text)


def faults(text: str) -> list[str]:
    """Rules that a statement breaks."""
    statement = code(text)
    found: list[str] = []
    if re.search(r"\b(GROUPING SETS|ROLLUP|CUBE)\b", statement):
        found.append("grouping sets")
    if re.search(r"\bTRIGGER\b|DETACH PARTITION \S+ CONCURRENTLY", statement):
        found.append("triggers and concurrent detaching")
    if re.search(r"\bSET\s+account_id\b|,\s*account_id\s*=", statement) and "UPDATE" in statement:
        found.append("a row that changes its account")
    if re.search(r"\b(tableoid|ctid)\b", statement):
        found.append("places of rows")
    written = re.search(r"\b(?:UPDATE|INTO|MERGE INTO)\s+(\w+)", statement)
    changes = re.search(r"\bUPDATE\b.*?\bSET\b(.*?)(\bWHERE\b|$)", statement, re.DOTALL)
    if changes and VOLATILE.search(changes[1]) and written and written[1] not in LOCAL:
        found.append("the server's clock or chance in an update")
    found += [f"a join without the account: {part[:60]}" for part in joins(statement) if "account_id" not in part]
    for kind in (r"\bMERGE INTO\b", r"^\s*UPDATE\b.*\bSET\b.*(?<!DISTINCT )\bFROM\b", r"\bDELETE FROM\b.*\bUSING\b"):
        if re.search(kind, statement, re.DOTALL) and not re.search(r"account_id\s*=", statement):
            found.append("a change by another table without the account")
    return found


def joins(statement: str) -> list[str]:
    """Each join's condition, with the name of what is joined; catalogues, arrays and copied tables aside."""
    parts = re.split(r"\bJOIN\b", statement)[1:]
    ends = r"\b(?:LEFT|INNER|FULL|RIGHT|CROSS|WHERE|GROUP BY|ORDER BY|UNION|LIMIT|WINDOW)\b"
    cut = [" ".join(re.split(ends, part)[0].split()) for part in parts]
    return [part for part in cut if " ON " in part and not CATALOGUE.search(part)]


@pytest.mark.parametrize("name", sorted(statement_texts()))
def test_a_statement_runs_on_a_cluster_too(name: str) -> None:
    assert faults(statement_texts()[name]) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1 FROM cdr JOIN days ON days.business_date = cdr.business_date", "a join without"),
        ("UPDATE days SET changed_at = now() WHERE account_id = 'a'", "clock"),
        ("INSERT INTO days VALUES (1) ON CONFLICT (account_id) DO UPDATE SET changed_at = random()", "clock"),
        ("MERGE INTO cdr USING cdr_stage ON cdr.record_id = cdr_stage.record_id", "a change by another table"),
        ("DELETE FROM cdr USING cdr_stage WHERE cdr.record_id = cdr_stage.record_id", "a change by another table"),
        ("SELECT count(*) FROM cdr GROUP BY ROLLUP (origin)", "grouping"),
        ("UPDATE cdr SET account_id = 'b'", "changes its account"),
        ("CREATE TRIGGER t", "triggers"),
        ("SELECT ctid FROM cdr", "places"),
    ],
)
def test_what_a_cluster_refuses_is_found(text: str, said: str) -> None:
    assert any(said in fault for fault in faults(text))


def test_a_database_without_citus_is_not_distributed(warehouse_url: str) -> None:
    with raw_connect(warehouse_url) as connection, pytest.raises(WarehouseError, match="no Citus"):
        distribute(connection)
