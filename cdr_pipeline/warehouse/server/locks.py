"""Locks of the warehouse for files in an object store, which every machine that shares the store also shares."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

from cdr_pipeline.files.lock import use_locks
from cdr_pipeline.files.store import StorePath
from cdr_pipeline.settings import Settings
from cdr_pipeline.warehouse.server.engine import connect


def lock_in_warehouse(settings: Settings, url: str) -> None:
    """Makes this process take locks of files in an object store in the warehouse; nothing changes for a local folder.

    Args:
        settings: settings of this process.
        url: URL of the warehouse.
    """
    if isinstance(settings.data_dir, StorePath):
        use_locks(partial(named_lock, url))


@contextmanager
def named_lock(url: str, name: str) -> Generator[None]:
    """Waits for the lock of a name and holds it for the block, in a transaction of a connection of its own.

    PostgreSQL releases the lock of a process that dies. If the connection breaks, the block ends with an error, because
    another process may hold the lock by then.

    Raises:
        WarehouseUnavailable: the server cannot be reached, or the connection broke during the block.
    """
    with connect(url) as connection, connection.transaction():
        # A writer waits and works as long as with the lock of a folder on a disk.
        connection.execute("SET LOCAL lock_timeout = 0")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('cdr_pipeline.files:' || %s, 0))", [name])
        yield
        connection.execute("SELECT 1")
