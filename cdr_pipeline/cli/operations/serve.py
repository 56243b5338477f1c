"""``cdr-pipeline serve``: the CDR API."""

from typing import Annotated

import typer


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of worker processes.")] = 1,
) -> None:
    """Serve the CDR API over the merged records: /v1 and /v2, JSON and CSV. Ctrl-C stops it.

    It speaks plain HTTP: put a TLS proxy in front if other machines use it.
    """
    from cdr_pipeline.api.serving import serve_api
    from cdr_pipeline.cli.operations.ports import require_free
    from cdr_pipeline.cli.terminal import out, run_context

    require_free(host, port, "--port")
    with run_context("starting") as ctx:
        out.print(f"http://{host}:{port}/v2 serves the records; /healthz, /readyz and /metrics are for monitoring")
        out.print("'cdr-pipeline tokens create ACCOUNT' creates a token")
    serve_api(ctx.settings, host=host, port=port, workers=workers)
