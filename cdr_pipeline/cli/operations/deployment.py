"""``cdr-pipeline deployment``: what a production set-up needs."""

from pathlib import Path
from typing import Annotated

import typer

deployment_app = typer.Typer(
    help="Files for production: Dagster on PostgreSQL, executors, systemd units, a container file.",
    no_args_is_help=True,
)


@deployment_app.callback()
def _group() -> None:
    """Production."""


@deployment_app.command("write")
def write(
    folder: Annotated[Path, typer.Argument(help="Output folder; created if missing.")],
    *,
    user: Annotated[str, typer.Option(help="User that runs the services.")] = "cdr",
    home: Annotated[
        str, typer.Option(help="Folder of the services: Dagster's home and data.")
    ] = "/var/lib/cdr_pipeline",
    config: Annotated[str, typer.Option(help="Folder of these files in production.")] = "/etc/cdr_pipeline",
    venv: Annotated[str | None, typer.Option(help="Virtual environment of the services; default: this one.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Write the files of a production installation. The first lines of each file explain it."""
    import sys

    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.steps.operations.write_deployment import DeploymentRequest, write_deployment

    request = DeploymentRequest(folder.absolute(), user, home, config, venv or sys.prefix, overwrite=overwrite)
    for path in write_deployment(request):
        out.print(str(path), soft_wrap=True)
    out.print("\nnext: set the commented values in cdr.env, then run 'cdr-pipeline config check'")
