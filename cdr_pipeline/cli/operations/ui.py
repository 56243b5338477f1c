"""``cdr-pipeline ui``: Dagster's web page, with its daemon."""

from typing import Annotated

import typer


def ui(
    *,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on; the page has no login of its own.")] = "127.0.0.1",
) -> None:
    """Serve the Dagster UI: graph, runs, backfills, schedule and sensors. Ctrl-C stops it."""
    import os
    import sys

    from cdr_pipeline.cli.operations.ports import require_free
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.defs.instance import prepare_home
    from cdr_pipeline.settings import bundled, subprocess_environment

    settings = ready_settings()
    require_free(host, port, "--port")
    prepare_home(settings)
    out.print(f"Dagster at http://{host}:{port} (Ctrl-C stops it)")
    sys.stdout.flush()
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        # By the workspace, so that schedules and sensors switched on here are those of 'up' and of production.
        "-w",
        str(bundled("workspace.yaml")),
        "-h",
        host,
        "-p",
        str(port),
    ]
    # In this process's place: a signal to its process id ends Dagster and its children.
    os.execve(sys.executable, command, subprocess_environment(settings))  # noqa: S606 - there is no shell to start
