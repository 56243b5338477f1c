"""The view ``cdr_merged``, generated from the field dictionary. Migrations that add or drop a field call this module.

The view has one row per leg. Which record each value comes from is defined in ``core/records/links.py``.
"""

from functools import cache
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg import sql

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.core.records.links import COST_LEAD, LEG_ONLY, TOGETHER

if TYPE_CHECKING:
    from sqlalchemy import Connection

_RECORD_TABLES: Final = ("cdr", "cdr_history", "cdr_stage")
# Columns of the view that are no fields. ``saved_at`` is a CASE because PostgreSQL does not consider COALESCE
# leakproof: behind row level security, a period could then not use an index.
_PROVENANCE: Final[dict[str, str]] = {
    "extra": "CASE WHEN twin.record_id IS NULL THEN leg.extra ELSE twin.extra || leg.extra END",
    "batch_id": "leg.batch_id",
    "source_line": "leg.source_line",
    "saved_at": "CASE WHEN leg.ended_at IS NULL THEN leg.started_at ELSE leg.ended_at END",
    "changed_at": "greatest(leg.changed_at, twin.changed_at, link.linked_at)",
    "linked_record_id": "twin.record_id",
    "leg_origin": "leg.origin",
}
_COLUMNS_OF: Final = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('{}') AND attnum > 0 AND NOT attisdropped"
    " ORDER BY attnum"
)
_GRANTS: Final = """
    SELECT 'GRANT ' || privilege_type || ' ON cdr_merged TO ' || coalesce(quote_ident(rolname), 'PUBLIC')
    FROM pg_class
    CROSS JOIN aclexplode(relacl) AS granted
    LEFT JOIN pg_roles ON pg_roles.oid = granted.grantee
    WHERE pg_class.oid = 'cdr_merged'::regclass AND granted.grantee <> relowner
"""
# A left join without a partner leaves the columns of ``twin`` null, so the leg's values are kept.
_JOINS: Final = """
    FROM cdr AS leg
    LEFT JOIN cdr_links AS link
        ON
            link.account_id = leg.account_id
            AND link.api_record_id = leg.record_id
            AND link.part_no = 0
            AND leg.origin = 'api'
    LEFT JOIN cdr AS twin
        ON
            twin.account_id = link.account_id
            AND twin.origin = 'imported'
            AND twin.record_id = link.imported_record_id
            AND twin.business_date = link.imported_business_date
    WHERE NOT EXISTS (
        SELECT 1
        FROM cdr_links AS shown
        WHERE
            shown.account_id = leg.account_id
            AND shown.imported_record_id = leg.record_id
            AND leg.origin = 'imported'
    )
"""

# A statement that gets one plan for all values keeps a place for each month of a table, unless a constant leaves months
# out. Neither of these conditions is to choose an index: the record of a link is found by its key. No index has a sum
# as its column, and ANY keeps PostgreSQL from taking the two bounds for a narrow range.
_WITHIN_DAYS: Final = {
    "AND twin.business_date = link.imported_business_date": (
        "AND twin.business_date + 0 = link.imported_business_date"
        " AND twin.business_date >= {first} AND twin.business_date <= ANY(ARRAY[{last}])"
    ),
    # A link is not looked up for a record that cannot have it.
    "AND link.api_record_id = leg.record_id": (
        "AND link.api_record_id = CASE leg.origin WHEN 'api' THEN leg.record_id END"
    ),
    "AND shown.imported_record_id = leg.record_id": (
        "AND shown.imported_record_id = CASE leg.origin WHEN 'imported' THEN leg.record_id END"
    ),
}


def legs_within_days(first: sql.Composable, last: sql.Composable) -> sql.Composed:
    """The legs of the view as a subquery that reads linked records of some business dates only.

    For a page in time order, whose legs are few. PostgreSQL prepares less for it than for the view, which can have
    linked records in any month.

    Args:
        first: SQL of the first business date of linked records.
        last: SQL of the last one.
    """
    return _legs_within_days().format(first=first, last=last)


@cache
def _legs_within_days() -> sql.SQL:
    joins = _JOINS
    for before, after in _WITHIN_DAYS.items():
        joins = joins.replace(before, after)
    values = ", ".join(f"{_value(column)} AS {column}" for column in (*names(), *_PROVENANCE))
    return sql.SQL(cast("LiteralString", f"(SELECT {values} {' '.join(joins.split())})"))


def add_field(connection: "Connection", name: str, sql_type: str) -> None:
    """Adds the column of a field to the tables of records and to the view; stored records have no value in it.

    PostgreSQL adds a column at the end of a table or view, so the order of columns there is not that of the dictionary.
    Every statement names its columns.

    Args:
        connection: connection of the migration, ``op.get_bind()``.
        name: name of the field in the dictionary.
        sql_type: type of the column, the value of the field's kind. A migration states it, because the dictionary may
            change later.
    """
    for table in _RECORD_TABLES:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {name} {sql_type}")
    replace_merged_view(connection)


def drop_field(connection: "Connection", name: str) -> None:
    """Drops the column of a field from the view and the tables; for the downgrade of ``add_field``."""
    view = [column for column in _columns(connection, "cdr_merged") if column != name]
    grants = connection.exec_driver_sql(_GRANTS).scalars().all()
    connection.exec_driver_sql("DROP VIEW cdr_merged")
    for table in _RECORD_TABLES:
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {name}")
    connection.exec_driver_sql(_definition(view))
    for grant in grants:
        connection.exec_driver_sql(grant)


def replace_merged_view(connection: "Connection") -> None:
    """Defines the view again by the rules of this version, with all fields of the dictionary that the tables have.

    Columns that the view has keep their position, because views and grants of other users depend on them.
    """
    view, stored = _columns(connection, "cdr_merged"), set(_columns(connection, "cdr"))
    added = [name for name in names() if name in stored and name not in view]
    connection.exec_driver_sql(_definition([*view, *added]))


def _columns(connection: "Connection", relation: str) -> list[str]:
    return list(connection.exec_driver_sql(_COLUMNS_OF.format(relation)).scalars())


def _definition(columns: list[str]) -> str:
    values = ", ".join(f"{_value(column)} AS {column}" for column in columns)
    return f"CREATE OR REPLACE VIEW cdr_merged WITH (security_invoker = true) AS SELECT {values} {_JOINS}"


def _value(column: str) -> str:
    if column in _PROVENANCE:
        return _PROVENANCE[column]
    if column == "origin":
        return "CASE WHEN twin.record_id IS NULL THEN leg.origin ELSE 'api+imported' END"
    # A column of the leg alone can be a condition of its index.
    if column in LEG_ONLY:
        return f"leg.{column}"
    for lead, members in TOGETHER.items():
        if column in members:
            missing = "coalesce(leg.cost, 0) = 0" if lead == COST_LEAD else f"leg.{lead} IS NULL"
            value = "coalesce(link.parts_cost, twin.cost)" if column == COST_LEAD else f"twin.{column}"
            return f"CASE WHEN {missing} AND twin.{lead} IS NOT NULL THEN {value} ELSE leg.{column} END"
    return f"coalesce(leg.{column}, twin.{column})"
