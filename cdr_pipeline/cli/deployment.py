"""``cdr-pipeline deployment``: what a production set-up needs."""

from pathlib import Path
from typing import Annotated

import typer

deployment_app = typer.Typer(
    help="Production: Dagster on PostgreSQL, executors, systemd units, a container file.", no_args_is_help=True
)


@deployment_app.callback()
def _group() -> None:
    """Production."""


@deployment_app.command("write")
def write(
    folder: Annotated[Path, typer.Argument(help="Where the files go; made when missing.")],
    *,
    user: Annotated[str, typer.Option(help="Who runs the services.")] = "cdr",
    home: Annotated[str, typer.Option(help="The services' folder: Dagster's home and data.")] = "/var/lib/cdr_pipeline",
    config: Annotated[str, typer.Option(help="Where the files lie when the services run.")] = "/etc/cdr_pipeline",
    venv: Annotated[str | None, typer.Option(help="Virtual environment with the programs; this one's.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
) -> None:
    """Write the files of a production set-up, each with what to know about it in its first lines."""
    import sys

    from cdr_pipeline.cli.console import out
    from cdr_pipeline.steps.write_deployment import DeploymentRequest, write_deployment

    request = DeploymentRequest(folder.absolute(), user, home, config, venv or sys.prefix, overwrite=overwrite)
    for path in write_deployment(request):
        out.print(str(path), soft_wrap=True)
    out.print("\nnext: read cdr.env, set what is commented out, then 'cdr-pipeline config check'")
