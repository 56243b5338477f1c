"""``cdr-pipeline warehouse``: the embedded server, and the tables of any."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.days.adopted import ADOPTED, print_adopted
from cdr_pipeline.cli.listings import listing
from cdr_pipeline.cli.reports import is_json, reports, show
from cdr_pipeline.cli.retention.erase import erase
from cdr_pipeline.cli.retention.retention import retention_app
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.warehouse.server.backup import NewerItems
    from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

warehouse_app = typer.Typer(
    help="The warehouse: embedded PostgreSQL, or the server of CDR_WAREHOUSE_URL.", no_args_is_help=True
)
_STATUS: Final = listing(
    "warehouse", "Warehouse", "running", "url", "revision", "newest_revision", "bytes", "folder", single=True,
    blocks=True,
)  # fmt: skip
_NEWER: Final = listing("newer", "Newer than the backup", "what", "which", "count")
warehouse_app.add_typer(retention_app, name="retention")
warehouse_app.command("erase")(erase)


@warehouse_app.command("start")
def start() -> None:
    """Start the embedded server and migrate its tables. Other commands do so when needed."""
    from cdr_pipeline.cli.terminal import out, run_context

    with run_context("starting") as ctx:
        pass
    out.print(f"the warehouse is up: {_masked_url(ctx.url)}", soft_wrap=True)


@warehouse_app.command("stop")
def stop() -> None:
    """Stop the embedded server. Its data is kept."""
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

    settings = ready_settings()
    if settings.warehouse_url is not None:
        raise ConfigurationError(
            "CDR_WAREHOUSE_URL names a server of your own", hint="stop it with its own tools; this command never does"
        )
    stopped = EmbeddedServer(settings.warehouse_dir).stop()
    out.print("stopped" if stopped else "it was not running")


@warehouse_app.command("status")
@reports(_STATUS)
def status() -> None:
    """Show whether the warehouse responds, the version of its tables, and its size. Starts nothing."""
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
    from cdr_pipeline.warehouse.server.migrate import current, head, scripts

    settings = ready_settings()
    newest, _ = head(scripts())
    if settings.warehouse_url is not None:
        url = settings.warehouse_url.get_secret_value()
        revision = current(url)
        if is_json():
            show(_STATUS, [(True, _masked_url(url), revision, newest, None, None)])
        out.print(f"own server {_masked_url(url)}: tables at revision {revision or 'none'}, this version's is {newest}")
        if settings.warehouse_replica_url is not None:
            _print_replica(url, settings.warehouse_replica_url.get_secret_value())
        return
    server = EmbeddedServer(settings.warehouse_dir)
    state = server.status()
    revision = current(server.url) if state.running else None
    if is_json():
        url = _masked_url(server.url) if state.running else None
        show(_STATUS, [(state.running, url, revision, newest, state.bytes, state.cluster)])
    if not state.running:
        out.print(f"stopped; {state.bytes / 1e6:.0f} MB in {state.cluster}; 'cdr-pipeline warehouse start' starts it")
        return
    out.print(
        f"running: PostgreSQL {state.version}, pid {state.pid}, {state.bytes / 1e6:.0f} MB in {state.cluster}",
        soft_wrap=True,
    )
    out.print(f"tables at revision {revision or 'none'}, this version's is {newest}")


@warehouse_app.command("url")
def url(
    *,
    show_password: Annotated[bool, typer.Option("--show-password", help="Include the password, if any.")] = False,
) -> None:
    """Print the warehouse's URL for psql and other tools. Starts the embedded server."""
    from cdr_pipeline.cli.terminal import ready_settings
    from cdr_pipeline.warehouse.server.engine import warehouse_url

    url = warehouse_url(ready_settings())
    typer.echo(url if show_password else _masked_url(url))


@warehouse_app.command("migrate")
def migrate() -> None:
    """Migrate the tables to this version. A database of a newer version is refused and left unchanged.

    Also shows which fields have values that were stored before they had a limit and are longer than it.
    """
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.warehouse.accounts.tenancy import READER, admit_reader
    from cdr_pipeline.warehouse.records.long_values import find_long_values
    from cdr_pipeline.warehouse.server.engine import connect, warehouse_url
    from cdr_pipeline.warehouse.server.migrate import upgrade

    url = warehouse_url(ready_settings())
    result = upgrade(url)
    with connect(url) as connection:
        if not admit_reader(connection):
            out.print(
                f"this user may not create the role {READER}, which the API reads as. As an administrator, in this "
                f"database: CREATE ROLE {READER} NOLOGIN; GRANT {READER} TO {connection.info.user}; then run this "
                "command again",
                soft_wrap=True,
            )
        long_values = find_long_values(connection)
    if result.before == result.after:
        out.print(f"nothing to do: the tables are at revision {result.after}")
    else:
        out.print(f"migrated from {result.before or 'an empty database'} to revision {result.after}")
    for item in long_values:
        out.print(
            f"account {item.account_id}: when its limit was introduced, {count_of(item.records, 'record')} had a"
            f" {item.field} of up to {item.longest} bytes, {item.most_bytes} are allowed. They stay;"
            " delivered again they are rejected",
            soft_wrap=True,
            markup=False,
        )


@warehouse_app.command("backup")
def backup(file: Annotated[Path, typer.Argument(help="File to write; replaced once the new one is whole.")]) -> None:
    """Write the whole embedded warehouse into one file, as of one moment. Loads may go on.

    The file holds every record with its numbers and names; only its owner may read it (mode 0600).
    """
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.warehouse.server.backup import back_up

    out.print(f"{back_up(_embedded(), file) / 1e6:.1f} MB in {file}", soft_wrap=True)


@warehouse_app.command("restore")
@reports(_NEWER, ADOPTED)
def restore(
    file: Annotated[Path, typer.Argument(help="A file that backup wrote.", exists=True)],
    *,
    discard_newer: Annotated[
        bool, typer.Option("--discard-newer", help="Restore although what is listed as newer than the backup is lost.")
    ] = False,
) -> None:
    """Replace the embedded warehouse with a backup. The one before stays as the database cdr_before_restore.

    With CDR_WAREHOUSE_URL, fill the empty database of that server with a backup of the embedded warehouse.

    Lists first what is newer than the backup: seals, files, deliveries, break decisions, uploads and more. Where there
    is anything, exits 2 and changes nothing unless --discard-newer is given. Afterwards the ledger adopts the final
    files on disk by their manifests; exits 8 when some could not be adopted.
    """
    from cdr_pipeline.cli.terminal import out, progress, ready_settings
    from cdr_pipeline.errors import ExportError
    from cdr_pipeline.steps.operations.restore_warehouse import RestoreRefused, restore_warehouse
    from cdr_pipeline.warehouse.server.fill_server import fill_server

    url = ready_settings().warehouse_url
    if url is not None:
        fill_server(url.get_secret_value(), file)
        out.print(
            "restored into the database of CDR_WAREHOUSE_URL; next: 'cdr-pipeline upgrade --check', then 'doctor'"
        )
        return
    with progress("restoring") as report:
        try:
            restored = restore_warehouse(file, ready_settings(), discard_newer=discard_newer, progress=report)
        except RestoreRefused as refused:
            _print_newer("Newer than the backup", refused.newer)
            raise
    _print_newer("Lost with the restore, kept in the database cdr_before_restore", restored.newer)
    print_adopted(restored.adopted)
    out.print(
        "restored; next: 'cdr-pipeline collect --replay --date YYYY-MM-DD' for each collected day listed above, import "
        "the uploads listed above again, 'cdr-pipeline doctor'",
        soft_wrap=True,
    )
    refused_days = [day for day in restored.adopted if day.problems]
    if refused_days:
        raise ExportError(
            f"restored, but a person is needed for {count_of(len(refused_days), 'day')} with final files",
            hint="the list above says what to do for each",
        )


@warehouse_app.command("link")
def link(
    *,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Link the warehouse to this data folder; any other is refused from then on."),
    ] = False,
) -> None:
    """Say whether the warehouse belongs to this data folder, and how many of its daily files are missing here.

    Each warehouse belongs to one data folder (CDR_DATA_DIR): both hold the same id. Exits 3 when they do not belong
    together.
    """
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.errors import WarehouseOfAnotherFolder
    from cdr_pipeline.steps.operations.data_folder import folder_link, link_folder
    from cdr_pipeline.steps.run_context import utc_now
    from cdr_pipeline.warehouse.server.engine import warehouse_url
    from cdr_pipeline.warehouse.server.migrate import require_current

    settings = ready_settings()
    url = warehouse_url(settings)
    require_current(url)
    if replace:
        link_folder(settings, url, now=utc_now())
    link = folder_link(settings, url)
    out.print(f"data folder {settings.data_dir}: id {link.folder_id or 'none'}", markup=False, soft_wrap=True)
    out.print(f"warehouse: id {link.warehouse_id or 'none'}")
    out.print(f"{link.missing} of the {link.files} daily files that the warehouse knows are missing in the folder")
    if not link.linked:
        raise WarehouseOfAnotherFolder(
            "the warehouse does not belong to this data folder",
            hint="set CDR_DATA_DIR to the right folder, or 'cdr-pipeline warehouse link --replace' to use this one",
        )


@warehouse_app.command("distribute")
def distribute() -> None:
    """Distribute the tables of a Citus database over its nodes. Run it again after an update that adds tables."""
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.warehouse.server.cluster import distribute as spread
    from cdr_pipeline.warehouse.server.engine import connect, warehouse_url

    with connect(warehouse_url(ready_settings())) as connection:
        placed = spread(connection)
    out.print(f"placed by account: {', '.join(placed)}" if placed else "nothing to do: every table is placed")


def _print_replica(url: str, replica_url: str) -> None:
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.warehouse.server.replica import replica_state

    state = replica_state(url, replica_url)
    last = (
        "" if state.replayed_at is None else f"; its last transaction is of {state.replayed_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    behind = f"{state.bytes_behind / 1e6:.1f} MB behind" if state.bytes_behind else "up to date"
    out.print(f"replica {_masked_url(replica_url)}: {behind}{last}", soft_wrap=True)


def _print_newer(title: str, newer: "Sequence[NewerItems]") -> None:
    from dataclasses import replace

    rows = list[tuple[object, ...]]()
    for item in newer:
        rows += [(item.kind, name, None) for name in item.named]
        more = item.count - len(item.named)
        if more > 0:
            rows.append((item.kind, f"and {more} more", more))
    if rows:
        show(replace(_NEWER, title=title), rows)


def _embedded() -> "EmbeddedServer":
    from cdr_pipeline.cli.terminal import ready_settings
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

    settings = ready_settings()
    if settings.warehouse_url is not None:
        raise ConfigurationError(
            "this command is for the embedded warehouse, and CDR_WAREHOUSE_URL names a server",
            hint="'pg_dump --format=custom --file FILE' of that server's version; after its pg_restore, run "
            "'cdr-pipeline days adopt'",
        )
    return EmbeddedServer(settings.warehouse_dir)


def _masked_url(url: str) -> str:
    from cdr_pipeline.privacy.redaction import redact

    return redact(url)
