"""Alembic's environment: migrations run over the connection that the caller passes, each in a transaction.

In the same transaction the checksum of the migration's file is noted, so that a later edit of it is found.
"""

from typing import Any, cast

from alembic import context
from sqlalchemy import text

from cdr_pipeline.warehouse.server.migrate import checksum

_TABLE = text("CREATE TABLE IF NOT EXISTS migration_checksums (revision text PRIMARY KEY, sha256 text NOT NULL)")
_FORGET = text("DELETE FROM migration_checksums WHERE revision = :revision")
_NOTE = text("INSERT INTO migration_checksums VALUES (:revision, :sha256)")


def _note_checksum(*, step: Any, **_: Any) -> None:
    script = step.up_revision
    connection.execute(_TABLE)
    connection.execute(_FORGET, {"revision": script.revision})
    if step.is_upgrade:
        connection.execute(_NOTE, {"revision": script.revision, "sha256": checksum(script.path)})


connection = context.config.attributes["connection"]
# It is called with more than it takes by name, and typed as if by place.
context.configure(
    connection=connection, transaction_per_migration=True, on_version_apply=cast("Any", _note_checksum)
)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
