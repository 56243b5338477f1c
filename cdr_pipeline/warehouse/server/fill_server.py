"""Fills the empty database of a PostgreSQL server with a backup of the embedded warehouse."""

import shutil
import subprocess
from contextlib import suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.rights import require_rights
from cdr_pipeline.warehouse.server.unprivileged import binaries, server_user

# A setting of PostgreSQL 17 and later in the head of every dump, which earlier servers reject.
_NEW_SETTING: Final = b"SET transaction_timeout"
_HEAD_LINES: Final = 100
_TABLES: Final = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"


def fill_server(url: str, source: Path) -> None:
    """Restores a backup into an empty database, in one transaction.

    Args:
        url: URL of the database, whose user owns it.
        source: file that ``warehouse backup`` wrote.

    Raises:
        WarehouseError: the database has tables already, the file is not a complete backup, or the server rejected it;
            the database is empty as before.
        WarehouseRightMissing: the user of the URL may not create tables.
    """
    with connect(url) as connection:
        (tables,) = connection.execute(_TABLES).fetchone() or (0,)
        if tables:
            raise WarehouseError(
                f"the database of CDR_WAREHOUSE_URL has {count_of(tables, 'table')} already; nothing was changed",
                hint="restore into an empty database; backups of a server are restored with its own pg_restore",
            )
        require_rights(connection)
    programs = binaries(server_user())
    given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    # Arguments of a process are visible to other users, its environment is not.
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "PGPASSWORD": given.pop("password", "")}
    reading = [str(programs / "pg_restore"), "--no-owner", "--file=-", str(source)]
    writing = [str(programs / "psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1",
               "--output=/dev/null", f"--dbname={make_conninfo('', **given)}"]  # fmt: skip
    with (
        TemporaryFile() as said,
        subprocess.Popen(reading, stdout=subprocess.PIPE, stderr=said, env=environment) as reader,
        subprocess.Popen(writing, stdin=subprocess.PIPE, stderr=said, env=environment) as writer,
    ):
        if reader.stdout is None or writer.stdin is None:
            raise RuntimeError("not opened as pipes")
        with suppress(BrokenPipeError):
            _copy(reader.stdout, writer.stdin)
        reader.stdout.close()
        if reader.wait():
            # At the end of its input psql would commit what has come so far.
            writer.kill()
        with suppress(BrokenPipeError):
            writer.stdin.close()
        if writer.wait() or reader.returncode:
            said.seek(0)
            # Lines after the first one may contain values of rows.
            message = said.readline().decode(errors="replace").strip()
            raise WarehouseError(
                f"the backup was not restored, and the database is empty as before: {message[-300:]}",
                hint="check that the backup file is complete and that the role cdr_reader exists on the server",
            )


def _copy(dump: IO[bytes], target: IO[bytes]) -> None:
    """Copies the text of a dump without the setting that earlier servers reject, which is in its first lines."""
    for line in islice(dump, _HEAD_LINES):
        if not line.startswith(_NEW_SETTING):
            target.write(line)
    shutil.copyfileobj(dump, target)
