"""The uvicorn configuration of a server."""

from typing import Final

import uvicorn
from starlette.types import ASGIApp

from cdr_pipeline.api.protocol import BoundedProtocol

_KEEP_ALIVE_SECONDS: Final = 30
_STOP_SECONDS: Final = 30
# A busy machine is slow to start a worker; a short limit would kill each worker before it starts.
_START_SECONDS: Final = 120


def config(app: ASGIApp | str, *, host: str, port: int, workers: int = 1, proxies: str = "") -> uvicorn.Config:
    """The uvicorn configuration. The request guard writes the access log; no Server header is sent.

    Args:
        app: the application, or where its factory is.
        host: address to listen on.
        port: TCP port to listen on.
        workers: number of processes.
        proxies: addresses and networks whose X-Forwarded-For is believed, separated by commas.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        workers=workers,
        factory=isinstance(app, str),
        http=BoundedProtocol,
        ws="none",
        proxy_headers=bool(proxies),
        # Without a value, uvicorn believes 127.0.0.1 or what FORWARDED_ALLOW_IPS names.
        forwarded_allow_ips=proxies,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        timeout_worker_healthcheck=_START_SECONDS,
    )
