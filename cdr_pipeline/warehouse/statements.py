"""Named SQL statements from the topic folders under ``sql/``.

Each file contains related statements. A statement begins with a line ``-- Name: ...`` and a header that states purpose,
parameters, grain, locks and whether it is idempotent. Values are bound as parameters; column lists are generated from
the field dictionary.
"""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final, LiteralString, cast

from psycopg import sql

from cdr_pipeline.core.fields.dictionary import BY_NAME, EMPTIED, MASKED, SEARCHED_FOR_ERASURE, Kind, names
from cdr_pipeline.core.reconcile.inputs.compared_columns import COMPARED_COLUMNS
from cdr_pipeline.settings import bundled

_NAME_LINE: Final = re.compile(r"^-- Name: +(\w+)\n", re.MULTILINE)

# Columns of cdr beyond the canonical fields, in the order of the table.
BOOKKEEPING: Final = (
    "extra", "has_detail", "list_digest", "row_digest", "batch_id", "source_line", "changed_at",
)  # fmt: skip
# Columns of the stage beyond the canonical fields, in the order in which a chunk is written.
STAGED: Final = (
    "extra", "has_detail", "list_digest", "row_digest", "batch_id", "source_line", "believed_equal", "fingerprint",
)  # fmt: skip
# Columns that are staged for a record that is already stored; enough to detect that a batch contains it twice.
BELIEVED_EQUAL: Final = (
    "account_id", "origin", "record_id", "business_date", "ended_at", "has_detail", "list_digest", "row_digest",
    "batch_id", "source_line", "believed_equal",
)  # fmt: skip
# Columns of cdr_keys, in the order in which they are written.
KEYS: Final = (
    "account_id", "origin", "record_id", "business_date", "list_digest", "row_digest", "has_detail",
)  # fmt: skip


@cache
def statement(name: str) -> bytes:
    """Returns a statement with its generated column lists filled in, as psycopg sends it.

    Args:
        name: topic and name of the statement, such as ``records/insert_records``.
    """
    # Psycopg keeps what it has parsed by the text; a composed statement would be put together at each call.
    return _template(name).format(**_PARTS.get(name, {})).as_bytes(None)


def named(name: str, /, **parts: sql.Composable) -> sql.Composed:
    """Returns a statement with the given table names and constants, which cannot be bound as parameters.

    Args:
        name: topic and name of the statement.
        parts: SQL for each placeholder of the statement.
    """
    return _template(name).format(**_PARTS.get(name, {}), **parts)


@lru_cache(maxsize=512)
def on_table(name: str, placeholder: str, *table: str) -> bytes:
    """Returns a statement with the name of a table, as psycopg sends it.

    Args:
        name: topic and name of the statement.
        placeholder: placeholder of the statement for the table.
        table: name of the table, after its schema if that is given.
    """
    return named(name, **{placeholder: sql.Identifier(*table)}).as_bytes(None)


@cache
def statement_texts() -> dict[str, str]:
    """Text of every statement by ``topic/name``, including its header.

    Raises:
        ValueError: two statements of a topic have the same name.
    """
    texts: dict[str, str] = {}
    for path in sorted(bundled("sql").glob("*/*.sql")):
        parts = _NAME_LINE.split(path.read_text("utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            key = f"{path.parent.name}/{name}"
            if key in texts:
                raise ValueError(f"{path.name}: the topic has two statements named {name}")
            texts[key] = text.strip("\n") + "\n"
    return texts


@cache
def _template(name: str) -> sql.SQL:
    # The files are part of the program, not user input, so the text counts as literal.
    return sql.SQL(cast("LiteralString", statement_texts()[name]))


def identifiers(columns: Sequence[str], table: str | None = None) -> sql.Composed:
    """Column names, separated by commas, for a statement."""
    parts = (sql.Identifier(column) if table is None else sql.Identifier(table, column) for column in columns)
    return sql.SQL(", ").join(parts)


def _merged_value(column: str) -> sql.Composable:
    """New value of a changed record's column; a load without a detail document keeps the columns of the stored one."""
    staged = sql.Identifier("staged", column)
    present = sql.Identifier("present", column)
    if column == "extra":
        return sql.SQL(
            "CASE WHEN staged.has_detail OR NOT present.has_detail THEN staged.extra"
            " ELSE present.extra || staged.extra END"
        )
    if column == "has_detail":
        return sql.SQL("present.has_detail OR staged.has_detail")
    if column == "changed_at":
        return sql.SQL("%(now)s")
    if column in BY_NAME and BY_NAME[column].detail_only:
        return sql.SQL("CASE WHEN staged.has_detail OR NOT present.has_detail THEN {} ELSE {} END").format(
            staged, present
        )
    return staged


def _assignments() -> sql.Composed:
    keys = {"account_id", "origin", "record_id"}
    return sql.SQL(",\n        ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), _merged_value(column))
        for column in (*names(), *BOOKKEEPING)
        if column not in keys
    )


def _inserted() -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("%(now)s") if column == "changed_at" else sql.Identifier("staged", column)
        for column in (*names(), *BOOKKEEPING)
    )


def _cell(column: str) -> sql.Composable:
    """A column in the format of the daily file's exact dialect; the session prints ISO instants in UTC."""
    name = sql.Identifier(column)
    match BY_NAME[column].kind:
        case Kind.INSTANT:
            return sql.SQL("replace(left({}::text, -3), ' ', 'T') || 'Z'").format(name)
        case Kind.SECONDS:
            return sql.SQL("trim_scale({})").format(name)
        case Kind.FLAG:
            return sql.SQL("{}::text").format(name)
        case _:
            return name


def _masks() -> dict[str, sql.Composable]:
    """Masked value of every column that masking changes."""
    masked: dict[str, sql.Composable] = {
        name: sql.SQL("cdr_masked({})").format(sql.Identifier(name)) for name in MASKED
    }
    emptied: dict[str, sql.Composable] = {
        name: sql.SQL("NULL::{}").format(sql.SQL(BY_NAME[name].kind.value)) for name in EMPTIED
    }
    return masked | emptied | {"extra": sql.SQL("'{}'::jsonb")}


def _masking(table: str) -> dict[str, sql.Composable]:
    masks = _masks()
    return {
        "table": sql.Identifier(table),
        "assignments": sql.SQL(",\n    ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in masks.items()
        ),
        "before": identifiers(tuple(masks)),
        "after": sql.SQL(", ").join(masks.values()),
    }


MASKED_TABLES: Final = (_masking("cdr"), _masking("cdr_history"))
# Text that an erasure searches, one column per line so that a match cannot span two columns.
_SEARCHED: Final = sql.SQL("concat_ws(E'\\n', {}, extra::text)").format(identifiers(SEARCHED_FOR_ERASURE))
_RECORD: Final = (*names(), *BOOKKEEPING)
# Columns that a record has in the table and in the stage.
_RESTAGED: Final = tuple(column for column in _RECORD if column != "changed_at")
# Columns of the class Extract.
_EXTRACT: Final = identifiers((
    "account_id", "extract_id", "owner_id", "token_id", "request", "form", "compression", "first_moment", "last_moment",
    "state", "created_at", "attempts", "row_count", "byte_count", "slices", "slices_done", "file_id", "sha256", "error",
    "ended_at", "expires_at",
))  # fmt: skip
# Columns of the class SealedFile, over "files" (export_files) and "days".
_SEALED_FILE: Final = sql.SQL(
    """
    files.account_id,
    files.business_date,
    files.version,
    files.version = days.version AS newest,
    files.dialect,
    files.path,
    files.sha256,
    files.bytes AS size,
    octet_length(files.manifest) AS manifest_size,
    files.fault,
    files.fault_since,
    files.hashed_at,
    files.lost_at,
    days.version AS day_version"""
)
_DAY_CELLS: Final = sql.SQL(",\n        ").join(_cell(name) for name in names(exported_only=True))
_PARTS: Final[dict[str, dict[str, sql.Composable]]] = {
    "retention/find_records": {"searched": _SEARCHED},
    "records/copy_keys": {"columns": identifiers(KEYS)},
    "records/copy_records": {"columns": identifiers(_RECORD)},
    "records/copy_stage_keys": {"columns": identifiers(BELIEVED_EQUAL)},
    "records/copy_stage": {"columns": identifiers((*names(), *STAGED))},
    "records/insert_history": {"columns": identifiers(_RECORD), "present": identifiers(_RECORD, "present")},
    "records/insert_history_of_staged": {"columns": identifiers(_RECORD), "present": identifiers(_RECORD, "present")},
    "records/insert_withdrawn_history": {"columns": identifiers(_RECORD), "present": identifiers(_RECORD, "present")},
    "records/insert_records": {"columns": identifiers(_RECORD), "values": _inserted()},
    "records/move_records": {"columns": identifiers(_RECORD)},
    "records/restage_records": {"columns": identifiers(_RESTAGED), "stored": identifiers(_RESTAGED, "stored")},
    "records/update_records": {"assignments": _assignments()},
    "records/update_staged_records": {"assignments": _assignments()},
    "reconciliation/copy_switch_records": {"columns": identifiers(COMPARED_COLUMNS)},
    "reconciliation/copy_carrier_records": {"columns": identifiers(COMPARED_COLUMNS, "cdr")},
    "retention/copy_month": {"cells": sql.SQL(",\n        ").join(_cell(name) for name in names())},
    "records/claim_extract": {"columns": _EXTRACT},
    "records/extracts": {"columns": _EXTRACT},
    "days/faulty_files": {"columns": _SEALED_FILE},
    "days/files_to_hash": {"columns": _SEALED_FILE},
    "days/lost_files": {"columns": _SEALED_FILE},
    "days/sealed_files": {"columns": _SEALED_FILE},
    "days/day_lines": {"cells": _DAY_CELLS},
    "days/lines_of_accounts": {"cells": _DAY_CELLS},
}
