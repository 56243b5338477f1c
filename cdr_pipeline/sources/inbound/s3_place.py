"""An S3 bucket, or a compatible store."""

from collections.abc import Generator, Iterator
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import urlsplit

import fsspec

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.sources.inbound.connection import BLOCK, Counted, Wanted
from cdr_pipeline.sources.inbound.places import Place

_READ_AHEAD: Final = 8 * BLOCK


class S3Connection:
    """Objects below a prefix. An object is replaced as a whole, so it is never seen half written."""

    resumes = True

    def __init__(self, place: Place) -> None:
        self._place = place
        parts = urlsplit(place.url)
        self._root = f"{parts.netloc}{parts.path}".rstrip("/")
        self._files: Any = fsspec.filesystem("s3", **_options(place))

    def files(self, wanted: Wanted) -> Iterator[RemoteFile]:  # noqa: ARG002 - the listing has size and time
        """Yields the objects down to the depth of the patterns."""
        counted = Counted(self._place.name, self._place.max_files)
        found = cast(
            "dict[str, dict[str, Any]]", self._files.find(self._root, maxdepth=self._place.depth + 1, detail=True)
        )
        for key in sorted(found):
            path = key.removeprefix(f"{self._root}/")
            if self._place.move_to and path.startswith(f"{self._place.move_to.strip('/')}/"):
                continue
            if found[key]["type"] == "file" and path and not path.endswith("/"):
                counted.add()
                yield _remote(path, found[key])

    def look(self, path: str) -> RemoteFile | None:
        """The object as it is now."""
        try:
            return _remote(path, self._files.info(f"{self._root}/{path}"))
        except FileNotFoundError:
            return None

    def read(self, file: RemoteFile, offset: int) -> Generator[bytes]:
        """Yields the bytes from an offset on."""
        with self._files.open(f"{self._root}/{file.path}", "rb", block_size=_READ_AHEAD) as content:
            content.seek(offset)
            while block := content.read(BLOCK):
                yield block

    def move(self, path: str, target: str) -> None:
        """Copies an object and deletes the old one."""
        self._files.mv(f"{self._root}/{path}", f"{self._root}/{target}")

    def delete(self, path: str) -> None:
        """Deletes an object."""
        self._files.rm_file(f"{self._root}/{path}")

    def close(self) -> None:
        """The library closes its connections itself."""


def _remote(path: str, info: dict[str, Any]) -> RemoteFile:
    changed = info.get("LastModified")
    tag = str(info.get("ETag", "")).strip('"')
    return RemoteFile(path, info["size"], changed if isinstance(changed, datetime) else None, tag)


def _options(place: Place) -> dict[str, Any]:
    options: dict[str, Any] = {
        "use_listings_cache": False,
        "skip_instance_cache": True,
        "config_kwargs": {
            "connect_timeout": place.timeout_seconds,
            "read_timeout": place.timeout_seconds,
            "retries": {"max_attempts": 2},
        },
    }
    if place.endpoint_url:
        options["endpoint_url"] = place.endpoint_url
    if place.key and place.secret:
        options |= {"key": place.key.get_secret_value(), "secret": place.secret.get_secret_value()}
    return options
