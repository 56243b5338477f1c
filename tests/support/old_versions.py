"""Warehouses as earlier versions have left them."""

from collections.abc import Callable

import psycopg
from alembic import command
from alembic.config import Config

from cdr_pipeline.warehouse.server.engine import engine
from cdr_pipeline.warehouse.server.migrate import scripts


def first_version_at(url: str) -> str:
    """Makes a database one of the first version, empty; its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    _run(url, command.upgrade, "0001")
    return url


def downgraded(url: str, revision: str) -> None:
    """Takes a warehouse of this version, with all that is in it, back to an earlier one."""
    _run(url, command.downgrade, revision)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM migration_checksums WHERE revision > %s", [revision])


def _run(url: str, change: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    database = engine(url)
    with database.connect() as connection:
        config.attributes["connection"] = connection
        change(config, revision)
        connection.commit()
    database.dispose()
