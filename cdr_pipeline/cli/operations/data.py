"""``cdr-pipeline data``: the folder or object store of the files."""

from typing import Annotated

import typer

data_app = typer.Typer(help="Files of the installation: landing, uploads, exports, reports.", no_args_is_help=True)


@data_app.callback()
def _group() -> None:
    """Files."""


@data_app.command("move")
def move(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="Empty folder, or the URL of an object store, such as s3://BUCKET/FOLDER."
        ),
    ],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only compare both; nothing is copied.")] = False,
) -> None:
    """Move the data folder: copy every file to TARGET, compare all bytes, and hand over the folder's id.

    Stop nights, uploads and the API first. The files in the old folder stay, but no command uses it any
    more. After an interruption run the command again: it goes on where it stopped. Exits with 11 if a file
    is missing or differs.
    """
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.steps.operations.move_data import compare_data, move_data, parse_target

    settings, place = ready_settings(), parse_target(target)
    if check:
        found = compare_data(settings.data_dir, place)
        found.require_equal()
        out.print(f"all {found.files} files of {settings.data_dir} are equal in {place}", soft_wrap=True, markup=False)
        return
    found = move_data(settings, place)
    out.print(
        f"{found.files} files are equal in {place}, {found.copied} of them copied now\n\nnext: set "
        f"CDR_DATA_DIR={place} on every machine, then run 'cdr-pipeline doctor' and 'cdr-pipeline verify-export'",
        soft_wrap=True,
        markup=False,
    )
