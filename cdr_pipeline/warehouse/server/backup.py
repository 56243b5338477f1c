"""Backup and restore of the embedded warehouse, with the server's own programs; also the way to a newer server.

A dump is made by the programs of the installed wheel and can be restored by those of any later one: to change the
version of PostgreSQL, make a backup, install the new version with an empty data folder, and restore.
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
# Items of a kind that are listed by name; the database that is replaced keeps them all.
NAMED: Final = 1_000
_FRESH: Final = "cdr_restoring"
_BEFORE: Final = "cdr_before_restore"
# Another process may connect between the moment at which all are disconnected and the renaming.
_RENAME_TRIES: Final = 5


def back_up(server: EmbeddedServer, target: Path) -> int:
    """Writes everything but what is being staged into one file, as of one moment; loads may go on.

    Only the file's owner may read it.

    Args:
        server: is started when it does not run.
        target: the file; replaced only when the new one is whole.

    Returns:
        Bytes of the file.

    Raises:
        WarehouseError: it could not be written; an older file stands untouched.
    """
    server.ensure_running()
    fresh = target.with_name(f".{target.name}.partial")
    try:
        # What a killed backup left behind goes first; a backup holds numbers and names, and is its owner's alone.
        fresh.unlink(missing_ok=True)
        with durable.create(fresh, mode=durable.PRIVATE_FILE) as dump:
            _run(server, "pg_dump", "--format=custom", "--no-unlogged-table-data", _DATABASE, stdout=dump)
            dump.flush()
            os.fsync(dump.fileno())
        durable.rename(fresh, target)
    except OSError as error:
        raise WarehouseError(
            f"{target} cannot be written: {error.strerror}", hint="see disk space and rights"
        ) from None
    finally:
        fresh.unlink(missing_ok=True)
    return target.stat().st_size


def restore(server: EmbeddedServer, source: Path) -> None:
    """Replaces the warehouse with a backup, whatever is newer; ``steps.restore_warehouse`` asks first.

    Raises:
        WarehouseError: as ``unpack``.
    """
    unpack(server, source)
    activate_restored(server)


def unpack(server: EmbeddedServer, source: Path) -> str:
    """Restores a backup into a database next to the present one; the URL of that database.

    The present warehouse stays as it is: a backup that is damaged changes nothing.

    Raises:
        WarehouseError: the file is no whole backup, or was made by a later server.
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
    return server.url.replace(f"/{_DATABASE}?", f"/{_FRESH}?")


def discard(server: EmbeddedServer) -> None:
    """Drops the database that ``unpack`` made."""
    with _admin(server) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_FRESH)))


def activate_restored(server: EmbeddedServer) -> None:
    """Makes the database that ``unpack`` made the warehouse; the one before is kept as ``cdr_before_restore``."""
    with _admin(server) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_BEFORE)))
        for _ in range(_RENAME_TRIES):
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = any(%s)", [[_DATABASE, _FRESH]]
            )
            # In one transaction: without a database of that name, the next command would make an empty one.
            with suppress(ObjectInUse), admin.transaction():
                for present, becomes in ((_DATABASE, _BEFORE), (_FRESH, _DATABASE)):
                    admin.execute(
                        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                            sql.Identifier(present), sql.Identifier(becomes)
                        )
                    )
                return
    raise WarehouseContended(
        "other processes keep connecting to the warehouse", hint="stop them, then run the same restore again"
    )


@dataclass(slots=True)
class NewerItems:
    """Items of one kind that a backup lacks: how many, and the first ones by name."""

    kind: str
    count: int = 0
    named: list[str] = field(default_factory=list[str])


def items_newer_than(present: str, backup: str) -> list[NewerItems]:
    """What the ledger of the present warehouse knows that the ledger of a backup does not.

    Both are read in order, side by side: memory does not grow with their size.

    Args:
        present: URL of the warehouse.
        backup: URL of the database that ``unpack`` made, with the same tables.
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
    """A connection to the server's own database; raises the product's errors."""
    with translated(), psycopg.connect(server.url.replace("/cdr?", "/postgres?"), autocommit=True) as connection:
        yield connection


def _run(
    server: EmbeddedServer,
    program: str,
    *arguments: str,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> None:
    """Runs a program as this process's user: it is who may connect, and who may read and write the file."""
    command = [str(binaries(server.user) / program), f"--host={server.socket}", "--username=cdr", *arguments]
    done = subprocess.run(
        command,
        stderr=subprocess.PIPE,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        stdin=stdin,
        stdout=stdout,
    )
    if done.returncode:
        # What follows the first line may quote rows.
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise WarehouseError(f"{program} failed: {said[-300:]}", hint="the file may be damaged, or the disk full")
