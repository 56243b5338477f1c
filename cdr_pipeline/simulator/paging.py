"""Splits a window into pages like each version of the switch, including the faults that a client must handle."""

import base64
import struct
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from cdr_pipeline.core.time.timestamps import from_gregorian
from cdr_pipeline.simulator.traffic import Document
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect

DEFAULT_PAGE: Final = 50
_HEAD: Final = bytes((131, 108, 0, 0, 0, 2, 110, 5, 0))


@dataclass(frozen=True, slots=True)
class Request:
    """Parameters of a list request; times in Gregorian seconds."""

    created_from: int
    created_to: int
    page_size: int = DEFAULT_PAGE
    start_key: str | None = None
    paginate: bool = True


@dataclass(frozen=True, slots=True)
class PageSlice:
    """The documents of one page, its start key and the start key of the next page."""

    documents: list[Document]
    start_key: str | None
    next_start_key: str | None
    page_size: int


def cut(documents: list[Document], request: Request, dialect: SwitchDialect) -> PageSlice:
    """One page of an account's documents that were saved in the window."""
    months = _by_month(documents, request, dialect)
    if dialect is SwitchDialect.SEED_V1:
        rows = [document for _, month in sorted(months.items()) for document in month]
        return PageSlice(rows, _second(rows[0]) if rows else None, None, len(rows))
    if dialect is SwitchDialect.V2_K3:
        return _cut_by_second(months, request)
    rows = [document for _, month in sorted(months.items(), reverse=True) for document in month]
    if request.start_key is not None:
        limit = decode_key(request.start_key)
        rows = [document for document in rows if (document["pvt_created"], document["_id"]) <= limit]
    if not request.paginate:
        return PageSlice(rows, None, None, len(rows))
    page, after = rows[: request.page_size], rows[request.page_size : request.page_size + 1]
    return PageSlice(
        page,
        encode_key(page[0]) if page else None,
        encode_key(after[0]) if after else None,
        len(page),
    )


def _by_month(documents: list[Document], request: Request, dialect: SwitchDialect) -> dict[str, list[Document]]:
    """Documents by month database, newest first. Only databases of the window's months are read.

    On 4.3 a call across a month's edge is in the database of the month in which it began, and was saved in the next
    month. On 3.x a call that ended in the last second of a month is in that month's database and may have been saved
    in the next month. A window that does not include a part of the first month does not find such a call.
    """
    last = request.created_to
    if dialect is SwitchDialect.V2_K3 and request.start_key is not None:
        last = int(request.start_key)
    first_month, last_month = (f"{from_gregorian(moment):%Y%m}" for moment in (request.created_from, last))
    selected = sorted(
        (document for document in documents if request.created_from <= document["pvt_created"] <= last),
        key=lambda document: (document["_id"][:6], document["pvt_created"], document["_id"]),
        reverse=True,
    )
    grouped = {month: list(group) for month, group in groupby(selected, key=lambda document: document["_id"][:6])}
    return {month: group for month, group in grouped.items() if first_month <= month <= last_month}


def _cut_by_second(months: dict[str, list[Document]], request: Request) -> PageSlice:
    """Page of 3.x: the page size applies to each month, and the next key is a second, whose rows are repeated."""
    rows: list[Document] = []
    following: str | None = None
    for _, month in sorted(months.items()):
        rows += month[: request.page_size]
        if len(month) > request.page_size:
            following = _second(month[request.page_size])
    return PageSlice(rows, _second(rows[0]) if rows else None, following, request.page_size)


def _second(document: Document) -> str:
    return str(document["pvt_created"])


def encode_key(document: Document) -> str:
    """``[pvt_created, id]`` as an Erlang term in base64url without padding."""
    identity = document["_id"].encode()
    created = int(document["pvt_created"]).to_bytes(5, "little")
    term = _HEAD + created + bytes((109,)) + struct.pack(">I", len(identity)) + identity + bytes((106,))
    return base64.urlsafe_b64encode(term).decode().rstrip("=")


def decode_key(key: str) -> tuple[int, str]:
    """Decodes a key of ``encode_key``. Raises ValueError for any other text."""
    term = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    if not term.startswith(_HEAD):
        raise ValueError("not a key of this server")
    created = int.from_bytes(term[9:14], "little")
    (length,) = struct.unpack(">I", term[15:19])
    return created, term[19 : 19 + length].decode()
