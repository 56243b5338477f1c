"""Delivers one file: uploaded under a temporary name, read back, compared and renamed; its manifest last.

Readers that wait for the manifest never see an incomplete file. A file with the same bytes is not sent again; one with
other bytes is never overwritten. In a local folder, file and folder are flushed to disk before the receipt is returned;
object stores and SFTP servers are responsible for their own disks.
"""

import hashlib
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import stamina
from fsspec.spec import AbstractFileSystem

from cdr_pipeline.errors import DeliveryError, DeliveryRefused
from cdr_pipeline.exports.daily_file import require_bytes
from cdr_pipeline.exports.delivery.places import as_delivery_error
from cdr_pipeline.exports.delivery.targets import Target
from cdr_pipeline.exports.file_names import MANIFEST_SUFFIX
from cdr_pipeline.files import durable
from cdr_pipeline.files.store import as_local_file

_ATTEMPTS: Final = 3
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file to deliver.

    Attributes:
        file: path of the file; its manifest is in the same folder.
        place: path below the target's folder, with slashes.
        sha256, size: hash and size in bytes of the sealed file.
        manifest: bytes of the manifest.
    """

    file: Path
    place: str
    sha256: str
    size: int
    manifest: bytes


@dataclass(frozen=True, slots=True)
class _Item:
    """Content of one remote file: a file or bytes."""

    content: Path | bytes
    sha256: str
    size: int


def send(parcel: PendingFile, target: Target, files: AbstractFileSystem, root: str) -> str:
    """Delivers a file and its manifest, with retries; returns a short receipt.

    Raises:
        SealedFileDamaged: the local file differs from the sealed one.
        DeliveryRefused: the target has another file of that name, or rejects the delivery.
        DeliveryError: every attempt failed.
    """
    require_bytes(parcel.file, parcel.sha256)
    remote = posixpath.join(root, parcel.place)
    file = _Item(parcel.file, parcel.sha256, parcel.size)
    note = _Item(parcel.manifest, hashlib.sha256(parcel.manifest).hexdigest(), len(parcel.manifest))
    written = False
    for attempt in stamina.retry_context(on=_is_retryable, attempts=_ATTEMPTS, wait_initial=0.5, wait_max=5.0):
        with attempt, as_delivery_error(target):
            written = _place(files, remote, file, target) or written
            written = _place(files, remote + MANIFEST_SUFFIX, note, target) or written
    return f"{'written' if written else 'there already'}, read back: sha256 {parcel.sha256}"


def _is_retryable(error: Exception) -> bool:
    return isinstance(error, DeliveryError) and error.retryable


def _place(files: AbstractFileSystem, remote: str, item: _Item, target: Target) -> bool:
    """Writes a remote file unless it is already there; returns whether it was written."""
    if _is_delivered(files, remote, item, target):
        return False
    folder, name = posixpath.split(remote)
    if target.kind == "folder":
        durable.make_folder(Path(folder), levels=0)
    elif target.kind == "sftp":
        files.makedirs(folder, exist_ok=True)
    part = posixpath.join(folder, f".{name}.part")
    try:
        if isinstance(item.content, Path):
            with as_local_file(item.content) as local:
                files.put_file(str(local), part)
        else:
            files.pipe_file(part, item.content)
        _require_arrived(files, part, item, target)
        if _is_delivered(files, remote, item, target):
            files.rm_file(part)
            return False
        if target.kind == "folder":
            durable.flush_file(Path(part))
            durable.rename(Path(part), Path(remote))
        else:
            files.mv(part, remote)
    except Exception:
        _remove_part(files, part)
        raise
    _require_arrived(files, remote, item, target)
    return True


def _is_delivered(files: AbstractFileSystem, remote: str, item: _Item, target: Target) -> bool:
    """Whether the target already has the file with the same bytes."""
    files.invalidate_cache()
    if not files.exists(remote):
        return False
    if _hash(files, remote) != item.sha256:
        raise DeliveryRefused(
            f"target {target.name}: the target has another file with the name {posixpath.basename(remote)}",
            hint="find out who wrote it and move it away; a delivered file is never overwritten",
        )
    return True


def _require_arrived(files: AbstractFileSystem, remote: str, item: _Item, target: Target) -> None:
    files.invalidate_cache()
    if (files.size(remote), _hash(files, remote)) != (item.size, item.sha256):
        raise DeliveryError(f"target {target.name}: the file read back differs from the file sent")


def _hash(files: AbstractFileSystem, remote: str) -> str:
    digest = hashlib.sha256()
    with cast("BinaryIO", files.open(remote, "rb")) as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _remove_part(files: AbstractFileSystem, part: str) -> None:
    """Removes the temporary file if possible; otherwise the next attempt overwrites it."""
    try:
        if files.exists(part):
            files.rm_file(part)
    except Exception:  # noqa: BLE001 - the original error is reported
        return
