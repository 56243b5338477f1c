"""``cdr-pipeline serve``: the CDR API."""

from typing import Annotated

import typer


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve together.")] = 1,
) -> None:
    """Serve the CDR API over the merged records: /v1 and /v2, JSON and CSV. Ctrl-C stops it.

    It speaks plain HTTP: put a proxy that speaks TLS in front when others than this machine are to reach it.
    """
    from cdr_pipeline.api.serving import serve_api
    from cdr_pipeline.cli.console import out, workplace

    with workplace("starting") as at:
        out.print(f"http://{host}:{port}/v2 serves the warehouse; /healthz, /readyz and /metrics watch it")
        out.print("'cdr-pipeline tokens create ACCOUNT' makes a token")
    serve_api(at.settings, host=host, port=port, workers=workers)
