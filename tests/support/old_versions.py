"""Warehouses as earlier versions have left them."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config

from cdr_pipeline.warehouse.server.engine import engine
from cdr_pipeline.warehouse.server.migrate import scripts

GOLDEN: Final = Path(__file__).parents[1] / "golden"


def first_version_at(url: str) -> str:
    """Makes a database one of the first version, empty; its URL."""
    return version_at(url, "0001")


def version_at(url: str, revision: str) -> str:
    """Makes a database one of a revision, empty; its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    _run(url, command.upgrade, revision)
    return url


def first_release(url: str, folder: Path) -> None:
    """Fills a database and a data folder as the first release left them: a night of two accounts, two days sealed.

    The archive was written by that release: landed pages, daily files, and the rows of its warehouse (revision 0012).
    """
    version_at(url, "0012")
    with tarfile.open(GOLDEN / "first_version.tar.gz") as archive:
        archive.extractall(folder, filter="fully_trusted")  # noqa: S202 - it is this repository's own
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((folder / "warehouse.sql").read_text("utf-8").encode())
    (folder / "warehouse.sql").unlink()


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
