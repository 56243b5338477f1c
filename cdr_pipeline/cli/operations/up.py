"""``cdr-pipeline up``: daemon, Dagster UI, console and API of one machine, together."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cdr_pipeline.cli.operations.children import Child


def up(
    *,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the Dagster UI has no login of its own.")
    ] = "127.0.0.1",
    api: Annotated[bool, typer.Option("--api/--no-api", help="Serve the console and the HTTP API too.")] = True,
    api_port: Annotated[int, typer.Option(help="Port of the console and the HTTP API.")] = 8000,
) -> None:
    """Run everything on this machine: schedule and sensors, Dagster UI, console and HTTP API.

    The lines of the console contain a link that signs you in once. Each line of output starts with the name of its
    process. A process that stops is started again, and an alert reports it. Ctrl-C or SIGTERM stops all of them,
    including active runs; the sensor 'missed_nights' repeats those.
    """
    import tempfile

    from cdr_pipeline.cli.operations.children import Children
    from cdr_pipeline.cli.operations.ports import require_free
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.defs.instance import prepare_home
    from cdr_pipeline.errors import ConfigurationError, ProblemsFound
    from cdr_pipeline.files.lock import sole_lock
    from cdr_pipeline.privacy.redaction import redact
    from cdr_pipeline.settings import subprocess_environment
    from cdr_pipeline.steps.operations.part_alerts import PartAlerts
    from cdr_pipeline.steps.run_context import RunContext

    settings = ready_settings()
    require_free(host, port, "--port")
    if api:
        require_free("127.0.0.1", api_port, "--api-port")
    prepare_home(settings)
    # The embedded warehouse is started once, here, and not by three processes at the same time.
    RunContext.open(settings)
    # Short, because the path of a socket has a length limit; readable by this user only.
    with sole_lock(settings.dagster_home / ".up.lock") as alone, tempfile.TemporaryDirectory(prefix="cdr_") as folder:
        if not alone:
            raise ConfigurationError(
                f"another 'cdr-pipeline up' runs with {settings.dagster_home}",
                hint="stop it, or set DAGSTER_HOME and CDR_DATA_DIR to other folders: two would run each night twice",
            )
        out.print(f"Dagster at http://{host}:{port} (Ctrl-C stops everything)")
        if api:
            out.print(f"console at http://127.0.0.1:{api_port}/, HTTP API at http://127.0.0.1:{api_port}/v2")

        def say(name: str, line: str) -> None:
            out.print(f"{name:>6} | {redact(line)}", markup=False, soft_wrap=True)

        alerts = PartAlerts(settings, say)
        alerts.start()
        try:
            succeeded = Children(
                _children(Path(folder), host, port, api_port=api_port if api else None),
                subprocess_environment(settings),
                say,
                alerts.fell,
            ).run()
        finally:
            alerts.stop()
    if not succeeded:
        raise ProblemsFound("a part could not be kept running", hint="its last lines say why")


def _children(folder: Path, host: str, port: int, *, api_port: int | None) -> "list[Child]":
    import sys

    from cdr_pipeline.cli.operations.children import Child

    socket, workspace = folder / "code.sock", folder / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{socket: {socket}, location_name: cdr_pipeline}}\n", encoding="utf-8"
    )
    python = [sys.executable, "-m"]
    # One code server for both: without it, daemon and web page would each load all the code.
    code = [*python, "dagster", "code-server", "start", "-m", "cdr_pipeline.definitions", "--socket", str(socket),
            "--location-name", "cdr_pipeline", "--use-python-environment-entry-point",
            "--log-level", "warning"]  # fmt: skip
    daemon = [*python, "dagster._daemon", "run", "-w", str(workspace), "--log-level", "warning"]
    page = [*python, "dagster_webserver", "-h", host, "-p", str(port), "-w", str(workspace), "--log-level", "warning"]
    children = [Child("code", code, opens=socket), Child("daemon", daemon), Child("ui", page)]
    if api_port is None:
        return children
    serve = [sys.executable, "-c", "from cdr_pipeline.cli import main; main()", "serve", "--port", str(api_port)]
    return [*children, Child("api", serve)]
