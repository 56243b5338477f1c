"""Masks erased records, when they are erased and when a load delivers them again."""

from typing import Any

from psycopg import Connection

from cdr_pipeline.warehouse.statements import MASKED_TABLES, named, statement


def mask_erased(connection: Connection[Any], account_id: str) -> None:
    """Masks every erased record of an account and its earlier versions; one cheap query if nothing was ever erased.

    Args:
        connection: in a transaction that holds the account's lock.
        account_id: account that owns the records.
    """
    parameters = {"account_id": account_id}
    if connection.execute(statement("retention/has_erased_records"), parameters).fetchone() == (True,):
        for parts in MASKED_TABLES:
            connection.execute(named("retention/mask_erased_records", **parts), parameters)
