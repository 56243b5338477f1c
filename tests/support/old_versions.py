"""Warehouses as earlier versions have left them."""

import psycopg
from alembic import command
from alembic.config import Config

from cdr_pipeline.warehouse.engine import engine
from cdr_pipeline.warehouse.migrate import scripts


def first_version_at(url: str) -> str:
    """Makes a database one of the first version, empty; its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    database = engine(url)
    with database.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    database.dispose()
    return url
