"""Opens a file as text without trusting it: what it is, how large, how compressed, how encoded."""

import codecs
import gzip
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from cdr_pipeline.errors import UnreadableUpload

# A file may be longer than memory; what is read as one piece may not.
MAX_BYTES: Final = 64 * 1024**3
MAX_WHOLE_BYTES: Final = 512 * 1024**2
MAX_RATIO: Final = 200
_PIECE: Final = 8 * 1024**2
_SAMPLE: Final = 4096
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_END_BYTES: Final = 65_557
_ZIP_ENTRIES: Final = 100
_ENCRYPTED: Final = 1
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Every second byte of western text in UTF-16 is NUL, and none of it in any other encoding.
_NUL_SHARE: Final = 0.2


def open_regular(path: Path) -> BinaryIO:
    """A binary handle on a regular file; links, pipes and devices are refused.

    Raises:
        UnreadableUpload: it is something else, or is not there.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name is no name"
        raise UnreadableUpload(
            f"{path.name!r} cannot be opened: {why}", hint="give a regular file, not a link to one"
        ) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnreadableUpload(f"{path.name} is not a regular file")
    return os.fdopen(handle, "rb")


def read_text(path: Path, encoding: str) -> str:
    """The whole text of a file, decompressed and decoded, without byte order mark; for formats that need it whole.

    Args:
        path: a regular file, plain, gzip, or zip with one file in it.
        encoding: of a file without a byte order mark.

    Raises:
        UnreadableUpload: too large, damaged, or not in that encoding; names the offset, never the content.
    """
    pieces: list[str] = []
    held = 0
    for piece in text_pieces(path, encoding):
        held += len(piece)
        if held > MAX_WHOLE_BYTES:
            raise UnreadableUpload(
                f"{path.name} holds more than {MAX_WHOLE_BYTES // 1024**2} MiB of one value", hint="split it"
            )
        pieces.append(piece)
    return "".join(pieces)


def text_pieces(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file, decompressed and decoded, without byte order mark, some megabytes at a time.

    Args:
        path: a regular file, plain, gzip, or zip with one file in it.
        encoding: of a file without a byte order mark.

    Raises:
        UnreadableUpload: too large, damaged, or not in that encoding; names the offset, never the content.
    """
    with open_regular(path) as source:
        position = 0
        decoder: codecs.IncrementalDecoder | None = None
        for content in _unpacked(source, path):
            piece = content
            if decoder is None:
                piece, encoding, position = _without_mark(content, encoding, path)
                decoder = codecs.getincrementaldecoder(encoding)()
            yield _decoded(decoder, piece, position, encoding, path)
            position += len(piece)
        if decoder is not None:
            yield _decoded(decoder, b"", position, encoding, path, final=True)


def _without_mark(content: bytes, encoding: str, path: Path) -> tuple[bytes, str, int]:
    for mark, marked in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :], marked, len(mark)
    sample = content[:_SAMPLE]
    if "16" not in encoding and sample.count(0) > len(sample) * _NUL_SHARE:
        raise UnreadableUpload(
            f"{path.name} looks like UTF-16 without a byte order mark",
            hint='state encoding = "utf-16-le" (or -be) in its profile',
        )
    return content, encoding, 0


def _decoded(
    decoder: codecs.IncrementalDecoder, piece: bytes, position: int, encoding: str, path: Path, *, final: bool = False
) -> str:
    pending = len(decoder.getstate()[0])
    try:
        return decoder.decode(piece, final)
    except UnicodeDecodeError as error:
        raise UnreadableUpload(
            f"{path.name} is not {encoding} text at byte {position - pending + error.start}",
            hint="state the file's encoding in its profile",
        ) from None


def _unpacked(source: BinaryIO, path: Path) -> Iterator[bytes]:
    """Everything in pieces, with a running count so that a small file that unpacks without end is stopped."""
    packed = os.fstat(source.fileno()).st_size
    limit = min(MAX_BYTES, max(packed * MAX_RATIO, _PIECE * 4))
    read = 0
    try:
        stream = _stream(source, path)
        while piece := stream.read(_PIECE):
            read += len(piece)
            if read > limit:
                raise UnreadableUpload(
                    f"{path.name} unpacks to more than {limit // 1024**2} MiB", hint="it may be an attack; split it"
                )
            yield piece
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        raise UnreadableUpload(f"{path.name} is damaged: it does not unpack", hint="fetch it again") from None


def _stream(source: BinaryIO, path: Path) -> BinaryIO:
    """The file's own bytes, or those within a gzip or zip; names in a zip are not used for anything."""
    start = source.read(4)
    source.seek(0)
    if start.startswith(_GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=source))
    if start != _ZIP:
        return source
    source.seek(max(0, os.fstat(source.fileno()).st_size - _ZIP_END_BYTES))
    tail = source.read()
    end = tail.rfind(_ZIP_END)
    entries = struct.unpack_from("<H", tail, end + 10)[0] if 0 <= end <= len(tail) - 12 else 0
    if entries > _ZIP_ENTRIES:
        raise UnreadableUpload(f"{path.name} is a zip of more than {_ZIP_ENTRIES} entries", hint="give one file each")
    source.seek(0)
    archive = zipfile.ZipFile(source)
    files = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(files) != 1 or stat.S_ISLNK(files[0].external_attr >> 16) or files[0].flag_bits & _ENCRYPTED:
        raise UnreadableUpload(
            f"{path.name} is a zip of {len(files)} files, or holds a link or a password", hint="pack one plain file"
        )
    stream = cast("BinaryIO", archive.open(files[0]))
    inner = stream.read(4)
    if inner == _ZIP or inner.startswith(_GZIP):
        raise UnreadableUpload(f"{path.name} is packed twice", hint="unpack it once")
    return cast("BinaryIO", archive.open(files[0]))
