"""Restores sealed files from a local copy or a delivery target, and sets damaged files aside."""

import hashlib
import posixpath
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from cdr_pipeline.errors import DeliveryError, ExportError, SealedFileExists
from cdr_pipeline.exports.atomic import SEALED_MODE, AtomicFile, new_file, sole_writer
from cdr_pipeline.exports.delivery.places import as_delivery_error, open_target
from cdr_pipeline.exports.delivery.targets import Target
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import read_manifest

_BLOCK: Final = 1 << 20


def restore_file(path: Path, sha256: str, copy: Callable[[AtomicFile], object]) -> bool:
    """Restores a sealed file if the bytes that ``copy`` writes have the sealed hash; sets a changed file aside.

    Args:
        path: path of the file.
        sha256: hash of the sealed file.
        copy: function that writes the bytes.

    Returns:
        Whether the file was restored; it is read-only then.

    Raises:
        ExportError: the file cannot be written.
    """
    with sole_writer(path.parent), new_file(path) as writing:
        copy(writing)
        if writing.sha256 != sha256:
            return False
        set_aside(path)
        writing.place(mode=SEALED_MODE, replace=False)
    return True


def set_aside(path: Path) -> None:
    """Renames a changed file or manifest to ``{name}.damaged-{sha256}``, to keep it as evidence.

    Raises:
        ExportError: the file cannot be read or renamed.
    """
    try:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        path.rename(path.with_name(f"{path.name}.damaged-{digest[:12]}"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise ExportError(f"{path.name} cannot be set aside: {error.strerror}", hint="check its permissions") from None


def set_manifest_aside(path: Path, announced: bytes, sha256: str) -> None:
    """Sets a damaged manifest aside, unless it announces another final file.

    Args:
        path: path of the file that the manifest describes.
        announced: bytes of the manifest in the ledger.
        sha256: hash of the file in the ledger.

    Raises:
        SealedFileExists: the manifest on disk is valid and announces another file.
    """
    manifest = manifest_path(path)
    try:
        if manifest.read_bytes() == announced:
            return
        manifest_on_disk = read_manifest(manifest)
    except (OSError, ExportError):
        manifest_on_disk = None
    if manifest_on_disk is not None and manifest_on_disk.state != "open" and manifest_on_disk.sha256 != sha256:
        raise SealedFileExists(
            f"{manifest.name} announces another final file than the ledger does",
            hint="find out which of the two was delivered, then move the manifest of the other one away",
        )
    set_aside(manifest)


def local_copy(source: Path) -> Callable[[AtomicFile], None]:
    """Function that copies a local file."""

    def copy(writing: AtomicFile) -> None:
        with source.open("rb") as handle:
            while block := handle.read(_BLOCK):
                writing.write(block)

    return copy


@contextmanager
def delivered_copy(target: Target, place: str) -> Generator[Callable[[AtomicFile], None] | None]:
    """Function that copies a file from a delivery target; None if the file is missing or the target unreachable.

    Args:
        target: target that the file was delivered to.
        place: path of the file below the target's folder.
    """
    try:
        with open_target(target) as (files, root):
            remote = posixpath.join(root, place)
            with as_delivery_error(target):
                exists = bool(files.exists(remote))

            def copy(writing: AtomicFile) -> None:
                with as_delivery_error(target), cast("BinaryIO", files.open(remote, "rb")) as handle:
                    while block := handle.read(_BLOCK):
                        writing.write(block)

            yield copy if exists else None
            return
    except DeliveryError:
        pass
    yield None
