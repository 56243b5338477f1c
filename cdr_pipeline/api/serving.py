"""Runs the application on uvicorn, in one process or several."""

import shutil
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from cdr_pipeline.api.app import create_app
from cdr_pipeline.api.gate import RequestGuard
from cdr_pipeline.api.protocol import BoundedProtocol
from cdr_pipeline.core.fields.dictionary import UNLOGGED
from cdr_pipeline.privacy.redaction import configure_logging
from cdr_pipeline.settings import Settings, load_settings, share_metrics, worker_count
from cdr_pipeline.steps.run_context import RunContext

_KEEP_ALIVE_SECONDS: Final = 30
_STOP_SECONDS: Final = 30
# A busy machine is slow to start a worker; a short limit would kill each worker before it starts.
_START_SECONDS: Final = 120


def config(app: RequestGuard | str, *, host: str, port: int, workers: int = 1) -> uvicorn.Config:
    """The uvicorn configuration. The request guard writes the access log; no Server header is sent."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        workers=workers,
        factory=isinstance(app, str),
        http=BoundedProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        timeout_worker_healthcheck=_START_SECONDS,
    )


def serve_api(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serves the API until it is interrupted. Requires that the warehouse runs and is migrated.

    Args:
        settings: settings of this process.
        host: address to listen on.
        port: TCP port to listen on.
        workers: number of processes.
    """
    configure_logging(settings.log_level, private_fields=UNLOGGED)
    if workers == 1:
        uvicorn.Server(config(create_app(RunContext.open(settings)), host=host, port=port)).run()
        return
    folder = settings.local_dir / "serve" / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    share_metrics(folder, workers)
    server_config = config("cdr_pipeline.api.serving:worker_app", host=host, port=port, workers=workers)
    listener = server_config.bind_socket()
    Multiprocess(server_config, [listener]).run()


def worker_app() -> RequestGuard:
    """The application of one of several workers; reads its settings from the environment."""
    settings = load_settings()
    configure_logging(settings.log_level, private_fields=UNLOGGED)
    return create_app(RunContext.open(settings), workers=worker_count())
