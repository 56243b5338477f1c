"""Sends one file: under another name first, read back and compared, then renamed; its manifest last.

Readers that go by the manifests never see half a file. A file that exists with the same bytes is left alone; one with
other bytes is never overwritten. In a folder of this machine, bytes and folder are flushed before a receipt is given;
object stores and SFTP servers answer for their own disks.
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
from cdr_pipeline.exports.dialects import MANIFEST_SUFFIX
from cdr_pipeline.files import durable

_ATTEMPTS: Final = 3
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file to be sent.

    Attributes:
        file: on this machine, with its manifest beside it.
        place: its path below the target's folder, with slashes.
        sha256, size: what was sealed.
        manifest: what is announced, to the byte.
    """

    file: Path
    place: str
    sha256: str
    size: int
    manifest: bytes


@dataclass(frozen=True, slots=True)
class _Item:
    """A file or a text on its way to one name."""

    content: Path | bytes
    sha256: str
    size: int


def send(parcel: PendingFile, target: Target, files: AbstractFileSystem, root: str) -> str:
    """Sends a file and its manifest; a short receipt.

    Raises:
        SealedFileDamaged: the file is not the one that was sealed.
        DeliveryRefused: the target holds another file of that name, or refuses.
        DeliveryError: the target failed, several times.
    """
    require_bytes(parcel.file, parcel.sha256)
    remote = posixpath.join(root, parcel.place)
    file = _Item(parcel.file, parcel.sha256, parcel.size)
    note = _Item(parcel.manifest, hashlib.sha256(parcel.manifest).hexdigest(), len(parcel.manifest))
    fresh = False
    for attempt in stamina.retry_context(on=_worth_another, attempts=_ATTEMPTS, wait_initial=0.5, wait_max=5.0):
        with attempt, as_delivery_error(target):
            fresh = _place(files, remote, file, target) or fresh
            fresh = _place(files, remote + MANIFEST_SUFFIX, note, target) or fresh
    return f"{'written' if fresh else 'there already'}, read back: sha256 {parcel.sha256}"


def _worth_another(error: Exception) -> bool:
    return isinstance(error, DeliveryError) and error.retryable


def _place(files: AbstractFileSystem, remote: str, item: _Item, target: Target) -> bool:
    """Whether it had to be written."""
    if _there(files, remote, item, target):
        return False
    folder, name = posixpath.split(remote)
    if target.kind == "folder":
        durable.make_folder(Path(folder), levels=0)
    elif target.kind == "sftp":
        files.makedirs(folder, exist_ok=True)
    part = posixpath.join(folder, f".{name}.part")
    try:
        if isinstance(item.content, Path):
            files.put_file(str(item.content), part)
        else:
            files.pipe_file(part, item.content)
        _require_arrived(files, part, item, target)
        if _there(files, remote, item, target):
            files.rm_file(part)
            return False
        if target.kind == "folder":
            durable.flush_file(Path(part))
            durable.rename(Path(part), Path(remote))
        else:
            files.mv(part, remote)
    except Exception:
        _clean(files, part)
        raise
    _require_arrived(files, remote, item, target)
    return True


def _there(files: AbstractFileSystem, remote: str, item: _Item, target: Target) -> bool:
    """Whether the file stands there already, to the byte."""
    files.invalidate_cache()
    if not files.exists(remote):
        return False
    if _hash(files, remote) != item.sha256:
        raise DeliveryRefused(
            f"target {target.name}: it holds another file of the name {posixpath.basename(remote)}",
            hint="ask who wrote it; a delivered file is never overwritten",
        )
    return True


def _require_arrived(files: AbstractFileSystem, remote: str, item: _Item, target: Target) -> None:
    files.invalidate_cache()
    if (files.size(remote), _hash(files, remote)) != (item.size, item.sha256):
        raise DeliveryError(f"target {target.name}: what arrived is not what was sent")


def _hash(files: AbstractFileSystem, remote: str) -> str:
    digest = hashlib.sha256()
    with cast("BinaryIO", files.open(remote, "rb")) as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _clean(files: AbstractFileSystem, part: str) -> None:
    """Takes away what was begun, where the target still lets us; the next attempt overwrites what stays."""
    try:
        if files.exists(part):
            files.rm_file(part)
    except Exception:  # noqa: BLE001 - the error that led here is the one to tell
        return
