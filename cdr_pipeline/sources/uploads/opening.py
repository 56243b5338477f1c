"""Opens an untrusted file as text: checks that it is a regular file, its size, compression and encoding."""

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
from cdr_pipeline.files.store import StorePath, download
from cdr_pipeline.sources.uploads.workbooks import OLD_WORKBOOK, is_workbook, old_workbook_pieces, workbook_pieces

# A file may be larger than memory; text that is read in one piece may not.
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
# Every second byte of western text in UTF-16 is NUL. Text in other encodings has no NUL.
_NUL_SHARE: Final = 0.2


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for binary reading; refuses links, pipes and devices.

    Raises:
        UnreadableUpload: the path is not a regular file, or cannot be opened.
    """
    if isinstance(path, StorePath):
        return _open_download(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name is invalid"
        raise UnreadableUpload(
            f"{path.name!r} cannot be opened: {why}", hint="give a regular file, not a link to one"
        ) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnreadableUpload(f"{path.name} is not a regular file")
    return os.fdopen(handle, "rb")


def _open_download(path: StorePath) -> BinaryIO:
    """Opens a downloaded copy, whose disk space is free again when it is closed."""
    try:
        local = download(path)
    except OSError as error:
        raise UnreadableUpload(f"{path.name!r} cannot be opened: {error.strerror}", hint="give a file") from None
    try:
        return local.open("rb")
    finally:
        local.unlink()


def read_text(path: Path, encoding: str) -> str:
    """Reads the complete text of a file, decompressed and decoded, without byte order mark.

    For formats that cannot be read in pieces.

    Args:
        path: regular file: plain, gzip, or a zip with one file in it.
        encoding: encoding of the text if it has no byte order mark.

    Raises:
        UnreadableUpload: the file is too large, damaged, or not in that encoding. The error names the offset, never
            the content.
    """
    pieces: list[str] = []
    size = 0
    for piece in text_pieces(path, encoding):
        size += len(piece)
        if size > MAX_WHOLE_BYTES:
            raise UnreadableUpload(
                f"{path.name} holds more than {MAX_WHOLE_BYTES // 1024**2} MiB", hint="split the file"
            )
        pieces.append(piece)
    return "".join(pieces)


def text_pieces(path: Path, encoding: str) -> Iterator[str]:
    """Yields the text of a file, decompressed and decoded, without byte order mark, some megabytes at a time.

    Args:
        path: regular file: plain, gzip, a zip with one file in it, or an Excel workbook (xlsx or xls), read as CSV.
        encoding: encoding of the text if it has no byte order mark.

    Raises:
        UnreadableUpload: the file is too large, damaged, or not in that encoding. The error names the offset, never
            the content.
    """
    with open_regular(path) as source:
        start = source.read(4)
        source.seek(0)
        if start == OLD_WORKBOOK:
            yield from old_workbook_pieces(source, path)
            return
        if start == _ZIP and is_workbook(source):
            yield from workbook_pieces(source, path)
            return
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
            hint='set [layout] encoding = "utf-16-le" or "utf-16-be" in its profile',
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
            hint="set [layout] encoding in its profile to the file's encoding",
        ) from None


def _unpacked(source: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yields the unpacked bytes in pieces, and stops a small file that unpacks to more than the limit."""
    packed = os.fstat(source.fileno()).st_size
    limit = min(MAX_BYTES, max(packed * MAX_RATIO, _PIECE * 4))
    read = 0
    try:
        stream = _stream(source, path)
        while piece := stream.read(_PIECE):
            read += len(piece)
            if read > limit:
                raise UnreadableUpload(
                    f"{path.name} unpacks to more than {limit // 1024**2} MiB",
                    hint="the file may be an attack; if it is genuine, split it",
                )
            yield piece
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        raise UnreadableUpload(f"{path.name} is damaged and cannot be unpacked", hint="fetch the file again") from None


def _stream(source: BinaryIO, path: Path) -> BinaryIO:
    """Stream of the file's own bytes, or of those in a gzip or zip. Names in a zip are not used."""
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
        raise UnreadableUpload(
            f"{path.name} is a zip of more than {_ZIP_ENTRIES} entries", hint="pack one file per zip"
        )
    source.seek(0)
    archive = zipfile.ZipFile(source)
    files = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(files) != 1 or stat.S_ISLNK(files[0].external_attr >> 16) or files[0].flag_bits & _ENCRYPTED:
        raise UnreadableUpload(
            f"{path.name} is a zip of {len(files)} files, or holds a link or a password",
            hint="pack one file, without a password",
        )
    stream = cast("BinaryIO", archive.open(files[0]))
    inner = stream.read(4)
    if inner == _ZIP or inner.startswith(_GZIP):
        raise UnreadableUpload(f"{path.name} is packed twice", hint="unpack it once")
    return cast("BinaryIO", archive.open(files[0]))
