"""Downloads a file to this machine, continues what broke off, and checks what arrived."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr_pipeline.core.uploads.inbound_files import ContentDigests, RemoteFile, StatedContent
from cdr_pipeline.errors import InboundFileChanged, InboundFileRefused
from cdr_pipeline.sources.inbound.connection import BLOCK, PlaceConnection
from cdr_pipeline.sources.inbound.places import Place

# Bytes before the end of a part that are read again and compared before it is continued.
_OVERLAP: Final = 64 * 1024
_PART: Final = "content.part"
# Parts of files that were never fetched again are deleted after a week.
_STALE_SECONDS: Final = 7 * 86_400
_MANIFEST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """A file on this machine: its path, in a folder of its own, its size, and whether a part was continued."""

    path: Path
    sha256: str
    size: int
    resumed: bool

    def discard(self) -> None:
        """Deletes the file and its folder."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


def download(
    connection: PlaceConnection,
    place: Place,
    file: RemoteFile,
    folder: Path,
    *,
    stated: StatedContent | None = None,
    progress: Callable[[int], None] | None = None,
) -> DownloadedFile:
    """Downloads one version of a file below ``folder``; a part of the same version is continued.

    The name on the server is used for the file's own name only, after ``unsafe_path`` has accepted it.

    Args:
        connection: open connection to the place.
        place: the place.
        file: file of the place.
        folder: folder of all parts, of this machine.
        stated: what the file's manifest states.
        progress: receives the number of bytes so far.

    Raises:
        InboundFileChanged: the file changed or disappeared meanwhile.
        InboundFileRefused: the file is larger than ``max_bytes`` or differs from its manifest.
    """
    own = folder / _key(place, file)
    own.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = own / _PART
    start = offset = _usable_offset(connection, file, part)
    with part.open("r+b" if start else "wb") as writing, closing(connection.read(file, start)) as blocks:
        writing.seek(start)
        for block in blocks:
            offset += len(block)
            if offset > place.max_bytes:
                break
            writing.write(block)
            if progress is not None:
                progress(offset)
        writing.truncate()
    if offset > place.max_bytes:
        shutil.rmtree(own, ignore_errors=True)
        raise InboundFileRefused(
            f"place {place.name}: {file.name} has more than max_bytes = {place.max_bytes} bytes",
            hint="raise max_bytes in inbound.toml if the file is what you expect",
        )
    after = connection.look(file.path)
    if after is None or after.stamp != file.stamp or (file.size is not None and offset != file.size):
        shutil.rmtree(own, ignore_errors=True)
        raise InboundFileChanged(
            f"place {place.name}: {file.name} {'is gone' if after is None else 'changed while it was read'}",
            hint="nothing to do: the next run fetches it when it no longer changes",
        )
    digests = ContentDigests()
    for block in _blocks(part):
        digests.update(block)
    found = digests.by_algorithm()
    difference = stated.difference(digests.size, found) if stated is not None else ""
    if difference:
        shutil.rmtree(own, ignore_errors=True)
        raise InboundFileRefused(
            f"place {place.name}: {file.name} is not what its manifest says: {difference}",
            hint="ask the carrier to send the file and its manifest again",
        )
    target = part.rename(own / file.name)
    return DownloadedFile(target, found["sha256"], digests.size, resumed=start > 0)


def read_manifest(connection: PlaceConnection, place: Place, path: str) -> str:
    """Text of a manifest.

    Raises:
        InboundFileChanged: the manifest is gone.
        InboundFileRefused: it is larger than a megabyte.
    """
    file = connection.look(path)
    if file is None:
        raise InboundFileChanged(f"place {place.name}: a manifest is gone", hint="the next run looks again")
    content = b""
    with closing(connection.read(file, 0)) as blocks:
        for block in blocks:
            content += block
            if len(content) > _MANIFEST_BYTES:
                raise InboundFileRefused(f"place {place.name}: {file.name} is too large for a manifest")
    return content.decode("utf-8-sig", errors="replace")


def delete_stale_parts(folder: Path) -> None:
    """Deletes parts that no download has continued for a week."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        with suppress(OSError):
            if time.time() - max(path.stat().st_mtime for path in (entry, *entry.iterdir())) > _STALE_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)


def _usable_offset(connection: PlaceConnection, file: RemoteFile, part: Path) -> int:
    """Bytes of a part that the file still begins with; 0 to begin again."""
    if not connection.resumes or file.size is None or not part.is_file():
        return 0
    size = part.stat().st_size
    if not 0 < size < file.size:
        return 0
    start = max(0, size - _OVERLAP)
    with part.open("rb") as content:
        content.seek(start)
        known = content.read()
    again = b""
    with closing(connection.read(file, start)) as blocks:
        for block in blocks:
            again += block
            if len(again) >= len(known):
                break
    return size if again[: len(known)] == known else 0


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as content:
        while block := content.read(BLOCK):
            yield block


def _key(place: Place, file: RemoteFile) -> str:
    return hashlib.sha256(f"{place.name}\0{file.path}\0{file.stamp}".encode()).hexdigest()[:32]
