"""Links that download: signed for the session that has opened the page, and valid for some minutes.

Other sessions cannot use a link, so histories and logs may contain it.
"""

import hashlib
import hmac
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request

from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import NotAllowed, session_of

_VALID_SECONDS: Final = 15 * 60
_UNTIL: Final = "until"
_SIGNATURE: Final = "signature"
# Not signed: the two formats of a table have the same rows.
_FREE: Final = frozenset({_UNTIL, _SIGNATURE, "format", "notice"})


def signed_link(request: Request, address: str) -> str:
    """An address of this server as a link that downloads until it expires."""
    parts = urlsplit(address)
    query = parse_qsl(parts.query)
    until = round(service_of(request).ctx.clock().timestamp()) + _VALID_SECONDS
    signature = _signature(request, parts.path, query, until)
    return f"{parts.path}?{urlencode([*query, (_UNTIL, until), (_SIGNATURE, signature)])}"


def require_signed(request: Request) -> None:
    """Requires that the address is a link of this session that has not expired. Raises NotAllowed."""
    query = request.query_params
    text = query.get(_UNTIL, "")
    until = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(10**12)) else 0
    expected = _signature(request, request.url.path, query.multi_items(), until)
    now = service_of(request).ctx.clock().timestamp()
    if until < now or not hmac.compare_digest(query.get(_SIGNATURE, "").encode(), expected.encode()):
        raise NotAllowed("link")


def _signature(request: Request, path: str, query: list[tuple[str, str]], until: int) -> str:
    signed = sorted((name, value) for name, value in query if name not in _FREE)
    message = "\n".join(["download", path, urlencode(signed), str(until)])
    key = session_of(request).encode("utf-8", "surrogatepass")
    return hmac.new(key, message.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
