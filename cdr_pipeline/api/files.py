"""Responses that are files of the data folder: whole or in ranges of bytes, from a disk or an object store."""

from functools import partial
from pathlib import Path

from anyio import to_thread
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from cdr_pipeline.files.store import StorePath, download


async def file_response(path: Path, *, name: str, media: str, sha256: str) -> FileResponse:
    """A file as an attachment, with ETag, ranges and its hash.

    Args:
        path: the file, which exists.
        name: file name for the client.
        media: media type.
        sha256: hash of the file, as hex digits.
    """
    response = _DownloadedFile if isinstance(path, StorePath) else FileResponse
    return response(
        await to_thread.run_sync(_local, path),
        media_type=media,
        filename=name,
        headers={"X-Content-SHA256": sha256},
    )


class _DownloadedFile(FileResponse):
    """A file of an object store: a local copy that is deleted when it is sent or the client has gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the copy."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await to_thread.run_sync(partial(Path(self.path).unlink, missing_ok=True))


def _local(path: Path) -> Path:
    return download(path) if isinstance(path, StorePath) else path
