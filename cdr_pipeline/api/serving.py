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
# A busy machine takes its time to start a process; one that is killed for that never starts.
_START_SECONDS: Final = 120


def config(app: RequestGuard | str, *, host: str, port: int, workers: int = 1) -> uvicorn.Config:
    """How the application is served. Our own log has the requests; the server's name and version stay unsaid."""
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
    """Serves until it is interrupted. The warehouse is up and migrated."""
    configure_logging(settings.log_level, private_fields=UNLOGGED)
    if workers == 1:
        uvicorn.Server(config(create_app(RunContext.open(settings)), host=host, port=port)).run()
        return
    folder = settings.data_dir / "serve" / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    share_metrics(folder, workers)
    settings_of = config("cdr_pipeline.api.serving:worker_app", host=host, port=port, workers=workers)
    listener = settings_of.bind_socket()
    Multiprocess(settings_of, [listener]).run()


def worker_app() -> RequestGuard:
    """The application of one of several processes; its settings come from the environment."""
    settings = load_settings()
    configure_logging(settings.log_level, private_fields=UNLOGGED)
    return create_app(RunContext.open(settings), workers=worker_count())
