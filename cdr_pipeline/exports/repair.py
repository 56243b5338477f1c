"""Puts the bytes of a sealed file back in its place, from wherever they can be had."""

import hashlib
import posixpath
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from cdr_pipeline.errors import DeliveryError, ExportError, SealedFileExists
from cdr_pipeline.exports.atomic import SEALED_MODE, Writing, beside, sole_writer
from cdr_pipeline.exports.delivery.places import as_delivery_error, opened_place
from cdr_pipeline.exports.delivery.targets import Target
from cdr_pipeline.exports.dialects import manifest_path
from cdr_pipeline.exports.manifest import read_manifest

_BLOCK: Final = 1 << 20


def put_back(path: Path, sha256: str, copy: Callable[[Writing], object]) -> bool:
    """Writes a sealed file again if what ``copy`` writes has the sealed hash; a changed file is set aside.

    Args:
        path: where the file belongs.
        sha256: of the file as it was sealed.
        copy: writes the bytes.

    Returns:
        Whether the file is in place again, read-only.

    Raises:
        ExportError: it cannot be written.
    """
    with sole_writer(path.parent), beside(path) as writing:
        copy(writing)
        if writing.sha256 != sha256:
            return False
        filtered_lines(path)
        writing.place(mode=SEALED_MODE)
    return True


def filtered_lines(path: Path) -> None:
    """Keeps a changed file, or a changed manifest, as ``{name}.damaged-{sha256}``: it is evidence.

    Raises:
        ExportError: it cannot be read or renamed.
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
    """Sets a damaged manifest aside; one that announces another final file stays.

    Args:
        path: the file that the manifest describes.
        announced: the manifest as the ledger keeps it.
        sha256: of the file as the ledger knows it.

    Raises:
        SealedFileExists: the manifest on disk is whole and announces another file.
    """
    note = manifest_path(path)
    try:
        if note.read_bytes() == announced:
            return
        other = read_manifest(note)
    except (OSError, ExportError):
        other = None
    if other is not None and other.state != "open" and other.sha256 != sha256:
        raise SealedFileExists(
            f"{note.name} announces another final file than the ledger does",
            hint="find out which of the two was delivered, and move the other manifest away",
        )
    filtered_lines(note)


def copied(source: Path) -> Callable[[Writing], None]:
    """Copies a file of this machine."""

    def copy(writing: Writing) -> None:
        with source.open("rb") as handle:
            while block := handle.read(_BLOCK):
                writing.write(block)

    return copy


@contextmanager
def delivered_copy(target: Target, place: str) -> Generator[Callable[[Writing], None] | None]:
    """A file as a delivery target has it; None where the target has none of that name or cannot be reached.

    Args:
        target: where the file was delivered to.
        place: its path below the target's folder.
    """
    try:
        with opened_place(target) as (files, root):
            remote = posixpath.join(root, place)
            with as_delivery_error(target):
                there = bool(files.exists(remote))

            def copy(writing: Writing) -> None:
                with as_delivery_error(target), cast("BinaryIO", files.open(remote, "rb")) as handle:
                    while block := handle.read(_BLOCK):
                        writing.write(block)

            yield copy if there else None
            return
    except DeliveryError:
        pass
    yield None
