"""Responses that are files of the data folder: whole or in ranges of bytes, from a disk or an object store."""

import re
from collections.abc import Generator
from os import stat_result
from pathlib import Path
from typing import Final

from anyio import to_thread
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from cdr_pipeline.files.store import StorePath

_PIECE_BYTES: Final = 1024 * 1024
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


async def file_response(path: Path, *, name: str, media: str, sha256: str) -> FileResponse:
    """A file as an attachment, with ETag, ranges and its hash.

    Args:
        path: the file, which exists.
        name: file name for the client.
        media: media type.
        sha256: hash of the file, as hex digits.

    Raises:
        StoreError: the object store failed.
    """
    if isinstance(path, StorePath):
        return _StoredFile(path, await to_thread.run_sync(path.stat), name=name, media=media, sha256=sha256)
    return FileResponse(path, media_type=media, filename=name, headers={"X-Content-SHA256": sha256})


class _StoredFile(FileResponse):
    """A file of an object store, read while it is sent: whole, or one range of it.

    Args:
        path: path in the object store.
        found: size and time of the object.
        name, media, sha256: as in ``file_response``.
    """

    def __init__(self, path: StorePath, found: stat_result, *, name: str, media: str, sha256: str) -> None:
        headers = {"X-Content-SHA256": sha256}
        super().__init__(str(path), media_type=media, filename=name, headers=headers, stat_result=found)
        self._stored = path
        self._size = found.st_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the range that the request asks for, or the whole file."""
        first, last = 0, self._size - 1
        requested = Headers(scope=scope)
        if requested.get("if-range") in (None, self.headers["etag"], self.headers["last-modified"]):
            found = _RANGE.fullmatch(requested.get("range", ""))
            if found is not None and found.group() != "bytes=-":
                first, last = _bounds(found.group(1), found.group(2), self._size)
                if first > last:
                    refused = Response(status_code=416, headers={"Content-Range": f"bytes */{self._size}"})
                    await refused(scope, receive, send)
                    return
                self.status_code = 206
                self.headers["content-range"] = f"bytes {first}-{last}/{self._size}"
                self.headers["content-length"] = str(last + 1 - first)
        content = iter(()) if scope["method"] == "HEAD" else self._pieces(first, last)
        await StreamingResponse(content, self.status_code, self.headers)(scope, receive, send)

    def _pieces(self, first: int, last: int) -> Generator[bytes]:
        with self._stored.open("rb") as stored:
            stored.seek(first)
            left = last + 1 - first
            while left > 0 and (piece := stored.read(min(left, _PIECE_BYTES))):
                left -= len(piece)
                yield piece


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """First and last byte of a range; the first is after the last if the file has no such bytes."""
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (size, size - 1)
    return int(first), min(int(last), size - 1) if last else size - 1
