"""Reads the switch's clock from a response of its web server."""

from datetime import datetime
from typing import Final

import httpx2

from cdr_pipeline.sources.kazoo.refusals import date_of

_TIMEOUT_SECONDS: Final = 5.0


def server_clock(base_url: str) -> datetime | None:
    """The ``Date`` of a response to a request without a token; None if there is no response or no ``Date``.

    Args:
        base_url: scheme, host and port of the switch.
    """
    try:
        with (
            httpx2.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client,
            client.stream("GET", f"{base_url}/") as reply,
        ):
            return date_of(reply.headers)
    except httpx2.HTTPError:
        return None
