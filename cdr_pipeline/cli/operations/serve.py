"""``cdr-pipeline serve``: the console and the CDR API."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cdr_pipeline.steps.run_context import RunContext


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of worker processes.")] = 1,
) -> None:
    """Serve the console and the CDR API over the merged records. Ctrl-C stops it.

    The console is at /, the API at /v1 and /v2. Both speak plain HTTP: put a TLS proxy in front if other machines use
    them. On this machine the command prints a link that signs you in once.
    """
    from cdr_pipeline.cli.operations.ports import require_free
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.serving.server import serve as serve_all

    require_free(host, port, "--port")
    with run_context("starting") as ctx:
        out.print(f"http://{host}:{port}/ is the console, http://{host}:{port}/v2 the API")
        out.print("/healthz, /readyz and /metrics are for monitoring; 'cdr-pipeline tokens create' creates API tokens")
        show_sign_in_link(host, port, ctx)
    serve_all(ctx.settings, host=host, port=port, workers=workers)


def show_sign_in_link(host: str, port: int, ctx: "RunContext") -> None:
    """Prints a one-time link for the person at this machine. Other addresses need an invitation."""
    import getpass

    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.errors import SignInRefused
    from cdr_pipeline.steps.accounts.users import local_sign_in_link

    if host not in ("127.0.0.1", "localhost", "::1"):
        out.print("'cdr-pipeline users invite NAME' invites a user of the console")
        return
    try:
        link = local_sign_in_link(getpass.getuser(), ctx)
    except SignInRefused:
        out.print("your user of the console is disabled; 'cdr-pipeline users list' shows all users")
        return
    out.print(f"sign in once within 15 minutes: http://{host}:{port}/link/{link.secret}", soft_wrap=True)
