"""``cdr-pipeline simulate``: a switch to try things on."""

from pathlib import Path
from typing import Annotated, Final

import typer

_HOST: Final = "127.0.0.1"


def simulate(
    *,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8090,
    seed: Annotated[int, typer.Option(help="Seed of the generated traffic.")] = 1,
    accounts: Annotated[int, typer.Option(min=1, max=1000, help="Number of accounts.")] = 3,
    calls_per_day: Annotated[int, typer.Option(min=0, help="Calls per account on a working day.")] = 200,
    dialect: Annotated[str, typer.Option(help="seed_v1, v2_k3, v2_k43 or k5.")] = "v2_k43",
    documents: Annotated[
        Path | None,
        typer.Option(exists=True, help="Serve these CDR documents (JSON) instead of generated traffic."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="Fault to simulate; repeat for several. An unknown name lists all faults."),
    ] = None,
) -> None:
    """Serve the Kazoo CDR API from generated traffic, or from a file of real documents. Ctrl-C stops it."""
    from cdr_pipeline.cli.operations.ports import require_free
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.simulator.server import serve
    from cdr_pipeline.simulator.switch import SimulatedSwitch

    require_free(_HOST, port, "--port")
    switch = SimulatedSwitch.build(
        seed=seed,
        accounts=accounts,
        calls_per_day=calls_per_day,
        dialect=dialect,
        documents=documents,
        faults=fault or (),
    )
    out.print(f"CDR_API_URL=http://{_HOST}:{port}")
    out.print(f"CDR_API_TOKEN={switch.token}")
    for account in switch.accounts:
        out.print(f"cdr-pipeline accounts add {account.account_id} --time-zone {account.time_zone}", soft_wrap=True)
    serve(switch, host=_HOST, port=port)
