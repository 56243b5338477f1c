"""``cdr-pipeline upgrade``: what a new version changes in the warehouse, before and while it does so."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import is_json, reports, show
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from cdr_pipeline.steps.operations.upgrade_check import UpgradeCheck

_CHECK: Final = listing(
    "check", "Upgrade", "version", "revision", "newest", "needed_bytes", "free_bytes", "obstacles", single=True,
    blocks=True,
)  # fmt: skip
_PENDING: Final = listing(
    "pending", "Pending migrations", "revision", "purpose", "needed_bytes", numbers=("needed_bytes",),
    sentences=("purpose",), titles={"purpose": "what it does", "needed_bytes": "disk (MB)"},
)  # fmt: skip


@reports(_CHECK, _PENDING)
def upgrade(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only show what would be done; the warehouse is not changed.")
    ] = False,
    old_programs: Annotated[
        Path | None,
        typer.Option(
            help="Programs of the older PostgreSQL that made the embedded warehouse; those of the system by default."
        ),
    ] = None,
) -> None:
    """Upgrade the warehouse to the installed version: pending migrations, the disk they need, what must be stopped.

    Make a backup first. With --check, exits with 0 if there is nothing to do, with 3 if
    migrations are pending and can run, and with 11 if something must be done before; the upgrade then refuses to run.
    """
    from cdr_pipeline.cli.operations.warehouse import migrate
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.errors import ProblemsFound, WarehouseNotMigrated
    from cdr_pipeline.steps.operations.upgrade_check import check_upgrade

    found = check_upgrade(ready_settings())
    _print(found)
    if found.obstacles:
        raise ProblemsFound(
            f"{count_of(len(found.obstacles), 'thing')} must be done before the upgrade",
            hint="the lines above name each; then run 'cdr-pipeline upgrade --check' again",
        )
    if found.old_server is not None and not check:
        _move(found.old_server, old_programs)
    if not check:
        migrate()
    elif found.old_server is not None:
        raise WarehouseNotMigrated(
            f"the embedded warehouse's files are of PostgreSQL {found.old_server}",
            hint="make a copy of the data folder, then run 'cdr-pipeline upgrade'",
        )
    elif found.pending:
        raise WarehouseNotMigrated(
            f"{count_of(len(found.pending), 'migration is', 'migrations are')} pending: "
            f"the warehouse is at revision {found.revision}, this version needs {found.newest}",
            hint="make a backup with 'cdr-pipeline backup FILE', then run 'cdr-pipeline upgrade'",
        )
    else:
        out.print("nothing to do")


def _move(old_server: int, old_programs: Path | None) -> None:
    """Moves the embedded warehouse to the installed PostgreSQL."""
    from cdr_pipeline.cli.terminal import out, progress, ready_settings
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
    from cdr_pipeline.warehouse.server.newer_server import move_to_newer_server, system_programs

    programs = old_programs or system_programs(old_server)
    if programs is None:
        raise ConfigurationError(
            f"PostgreSQL {old_server} is not installed",
            hint=f"install it (Debian: postgresql-{old_server}), or give --old-programs the folder of its pg_ctl",
        )
    server = EmbeddedServer(ready_settings().warehouse_dir)
    with progress("moving to the installed PostgreSQL"):
        kept = move_to_newer_server(server, programs)
    out.print(f"moved from PostgreSQL {old_server} to {server.version}; the old files are in {kept}", soft_wrap=True)


def _print(found: "UpgradeCheck") -> None:
    from cdr_pipeline.cli.terminal import out

    if is_json():
        sizes = (found.needed_bytes, found.free_bytes)
        show(_CHECK, [(found.version, found.revision, found.newest, *sizes, list(found.obstacles))])
    present = found.revision or "none: the first command creates them"
    if found.old_server is not None:
        present = "an unknown one until they are moved"
    out.print(f"version {found.version} needs tables at revision {found.newest}; they are at {present}", soft_wrap=True)
    if found.old_server is not None:
        out.print(f"the embedded warehouse's files are of PostgreSQL {found.old_server}: a dump moves them")
    elif not found.pending:
        return
    if found.pending:
        show(
            _PENDING,
            (
                (item.revision, item.purpose, Cell(item.needed_bytes, f"{item.needed_bytes / 1e6:,.0f}"))
                for item in found.pending
            ),
        )
    free = (
        "unknown: ask the server's administrator" if found.free_bytes is None else f"{found.free_bytes / 1e9:,.1f} GB"
    )
    out.print(f"disk: up to {found.needed_bytes / 1e9:,.1f} GB are needed for a while; free: {free}", soft_wrap=True)
    for text in found.obstacles:
        out.print(f"first: {text}", markup=False, soft_wrap=True)
