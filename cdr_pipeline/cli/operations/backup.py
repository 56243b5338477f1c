"""``cdr-pipeline backup`` and ``restore``: a whole installation in one file."""

from pathlib import Path
from typing import Annotated

import typer


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; replaced once the new one is complete.")],
    *,
    without_warehouse: Annotated[
        bool,
        typer.Option("--without-warehouse", help="Leave out a warehouse on a server of your own; dump it before."),
    ] = False,
) -> None:
    """Write warehouse, landing, uploads, exports, reports and Dagster into one file. Nights can run meanwhile.

    The file holds numbers, names and the passwords of targets.toml; only its owner may read it. Settings (.env) and
    tokens of the switch are not in it.
    """
    from cdr_pipeline.cli.terminal import out, progress, ready_settings
    from cdr_pipeline.steps.operations.backup import back_up_installation

    with progress("backup") as report:
        done = back_up_installation(file, ready_settings(), warehouse=not without_warehouse, progress=report)
    out.print(f"{done.files} files, {done.bytes / 1e6:,.1f} MB in {file}", markup=False, soft_wrap=True)


def restore(file: Annotated[Path, typer.Argument(help="A file that backup wrote.", exists=True)]) -> None:
    """Restore an installation from its backup, into an empty CDR_DATA_DIR and DAGSTER_HOME.

    Checks every file first. Exits with 8 if the backup is damaged, or if a sealed file could not be adopted.
    """
    from cdr_pipeline.cli.days.adopted import print_adopted
    from cdr_pipeline.cli.terminal import out, progress, ready_settings
    from cdr_pipeline.errors import ExportError
    from cdr_pipeline.steps.operations.backup import restore_installation

    settings = ready_settings()
    with progress("restore") as report:
        restored = restore_installation(file, settings, progress=report)
    out.print(f"restored into {settings.data_dir} and {settings.dagster_home}", markup=False, soft_wrap=True)
    out.print("next: 'cdr-pipeline doctor --fix' ends runs that were active, 'cdr-pipeline verify-export' checks files")
    if restored is None:
        out.print("the backup has no warehouse: restore the database of CDR_WAREHOUSE_URL with its own tools")
        return
    print_adopted(restored.adopted)
    if any(day.problems for day in restored.adopted):
        raise ExportError(
            "restored, but some final files were not adopted", hint="the table names each with its reason"
        )
