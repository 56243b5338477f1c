"""Moves the embedded warehouse to a newer major version of PostgreSQL, by a dump.

A dump is the way that works between any two versions and any two builds; ``pg_upgrade`` needs both programs to be built
with the same options. The old files stay next to the new ones until the operator deletes them.
"""

import shutil
from pathlib import Path

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.files import durable
from cdr_pipeline.warehouse.server.backup import back_up, restore
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer


def system_programs(version: int) -> Path | None:
    """Folder in which Debian and its relatives keep the programs of a major version; None if it is not installed."""
    folder = Path(f"/usr/lib/postgresql/{version}/bin")
    return folder if (folder / "pg_ctl").exists() else None


def move_to_newer_server(server: EmbeddedServer, old_programs: Path) -> Path:
    """Dumps the warehouse with the old server's programs and restores it into a cluster of the new ones.

    Args:
        server: the embedded server with the new programs; its files are of an older version.
        old_programs: folder of the programs that made the files.

    Returns:
        Folder of the old files, which are kept.

    Raises:
        ConfigurationError: the folder has no programs of that version; nothing was changed.
        WarehouseError: the warehouse cannot be dumped or restored; the old files are in their place.
    """
    made_by = server.files_version
    old = EmbeddedServer(server.home, old_programs)
    if made_by is None or old.version != made_by:
        raise ConfigurationError(
            f"{old_programs} has no programs of PostgreSQL {made_by}", hint="give the folder of its pg_ctl and postgres"
        )
    kept = server.cluster.with_name(f"cluster.postgresql{made_by}")
    if kept.exists():
        raise ConfigurationError(f"{kept} has old files of an earlier attempt", hint="move it away, then try again")
    dump = server.home / "to_newer_server.dump"
    try:
        old.ensure_running()
        back_up(old, dump)
        old.stop()
        durable.rename(server.cluster, kept)
        try:
            restore(server, dump)
        except BaseException:
            server.stop()
            shutil.rmtree(server.cluster, ignore_errors=True)
            durable.rename(kept, server.cluster)
            raise
    finally:
        old.stop()
        dump.unlink(missing_ok=True)
    return kept
