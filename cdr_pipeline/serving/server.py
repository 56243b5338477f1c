"""Runs the API and the console on uvicorn, in one process or several."""

import gc
import os
import shutil
import threading
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from cdr_pipeline.api.serving import config
from cdr_pipeline.core.fields.dictionary import UNLOGGED
from cdr_pipeline.privacy.redaction import configure_logging
from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.settings import Settings, load_settings, share_metrics, worker_count
from cdr_pipeline.steps.run_context import RunContext

_END_SECONDS: Final = 5.0
# Objects that are made before a collection of the youngest ones. A page makes thousands, and few are part of a cycle.
_COLLECT_AFTER: Final = 20_000
_WORKER: Final = "cdr_pipeline.serving.server:worker_app"


def serve(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serves until it is interrupted. Requires that the warehouse runs and is migrated.

    Args:
        settings: settings of this process.
        host: address to listen on.
        port: TCP port to listen on.
        workers: number of processes.
    """
    configure_logging(settings.log_level, private_fields=UNLOGGED)
    if workers == 1:
        app = ServedApp(RunContext.open(settings), stopped=_end_soon)
        _leave_out_of_collections()
        uvicorn.Server(config(app, host=host, port=port, proxies=settings.serve_proxies)).run()
        return
    folder = settings.local_dir / "serve" / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    share_metrics(folder, workers)
    server_config = config(_WORKER, host=host, port=port, workers=workers, proxies=settings.serve_proxies)
    listener = server_config.bind_socket()
    Multiprocess(server_config, [listener]).run()


def worker_app() -> ServedApp:
    """The application of one of several workers; reads its settings from the environment."""
    settings = load_settings()
    configure_logging(settings.log_level, private_fields=UNLOGGED)
    app = ServedApp(RunContext.open(settings), workers=worker_count(), stopped=_end_soon)
    _leave_out_of_collections()
    return app


def _leave_out_of_collections() -> None:
    """Leaves the objects of the program out of the collections of garbage, which took a twentieth of a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


def _end_soon() -> None:
    """Ends this process although threads still wait for the warehouse, which rolls their transactions back."""
    # Requests have had uvicorn's time to finish. Python would wait for their threads as long as their statements run.
    end = threading.Timer(_END_SECONDS, os._exit, [0])
    end.daemon = True
    end.start()
