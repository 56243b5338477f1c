"""Backup and restore of the embedded warehouse, with the server's own programs; also the way to a newer server.

A dump is made by the programs of the installed wheel and can be restored by those of any later one: to change the
version of PostgreSQL, make a backup, install the new version with an empty data folder, and restore.
"""

import os
import subprocess
from pathlib import Path
from typing import IO, Any, Final

import psycopg
from psycopg import sql

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.embedded import EmbeddedServer
from cdr_pipeline.warehouse.tenancy import READER
from cdr_pipeline.warehouse.unprivileged import binaries

_DATABASE: Final = "cdr"
_FRESH: Final = "cdr_restoring"
_BEFORE: Final = "cdr_before_restore"


def back_up(server: EmbeddedServer, target: Path) -> int:
    """Writes everything but what is being staged into one file, as of one moment; loads may go on.

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
        with fresh.open("wb") as dump:
            _run(server, "pg_dump", "--format=custom", "--no-unlogged-table-data", _DATABASE, stdout=dump)
            dump.flush()
            os.fsync(dump.fileno())
        fresh.replace(target)
    except OSError as error:
        raise WarehouseError(
            f"{target} cannot be written: {error.strerror}", hint="see disk space and rights"
        ) from None
    finally:
        fresh.unlink(missing_ok=True)
    return target.stat().st_size


def restore(server: EmbeddedServer, source: Path) -> None:
    """Replaces the warehouse with a backup. What stood there before is kept as the database ``cdr_before_restore``.

    The backup is restored beside the present database first: one that is damaged changes nothing. Whatever was landed
    since it was made is then loaded again by ``cdr-pipeline collect --replay``.

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
            raise WarehouseError(f"{source} cannot be read: {error.strerror}") from None
        except WarehouseError:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_FRESH)))
            raise
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_BEFORE)))
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [_DATABASE])
        for present, becomes in ((_DATABASE, _BEFORE), (_FRESH, _DATABASE)):
            admin.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(present), sql.Identifier(becomes))
            )


def _admin(server: EmbeddedServer) -> psycopg.Connection[Any]:
    return psycopg.connect(server.url.replace("/cdr?", "/postgres?"), autocommit=True)


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
