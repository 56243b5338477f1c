"""Opens a file as text without trusting it: what it is, how large, how compressed, how encoded."""

import gzip
import io
import os
import stat
import zlib
from pathlib import Path
from typing import BinaryIO, Final

from cdr_pipeline.errors import UnreadableUpload

MAX_BYTES: Final = 2 * 1024**3
_CHUNK: Final = 1024**2
_GZIP: Final = b"\x1f\x8b"
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def open_regular(path: Path) -> BinaryIO:
    """A binary handle on a regular file; links, pipes and devices are refused.

    Raises:
        UnreadableUpload: it is something else, or is not there.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableUpload(
            f"{path.name} cannot be opened: {error.strerror}", hint="give a regular file, not a link to one"
        ) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnreadableUpload(f"{path.name} is not a regular file")
    return os.fdopen(handle, "rb")


def read_text(path: Path, encoding: str) -> str:
    """The whole text of a file, decompressed and decoded, without byte order mark.

    Args:
        path: a regular file, gzip or not.
        encoding: of a file without a byte order mark.

    Raises:
        UnreadableUpload: too large, damaged, or not in that encoding; names the offset, never the content.
    """
    with open_regular(path) as source:
        content = _bounded(source, path)
    for mark, marked in _MARKS:
        if content.startswith(mark):
            content, encoding = content[len(mark) :], marked
            break
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        where = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise UnreadableUpload(
            f"{path.name} is not {encoding} text{where}", hint="state the file's encoding in its profile"
        ) from None


def _bounded(source: BinaryIO, path: Path) -> bytes:
    """Everything, with a running count so that a small file that unpacks without end is stopped."""
    compressed = source.read(2) == _GZIP
    source.seek(0)
    stream = gzip.GzipFile(fileobj=source) if compressed else source
    content = io.BytesIO()
    try:
        while chunk := stream.read(_CHUNK):
            content.write(chunk)
            if content.tell() > MAX_BYTES:
                raise UnreadableUpload(
                    f"{path.name} holds more than {MAX_BYTES // 1024**3} GiB of text", hint="split it"
                )
    except (OSError, EOFError, zlib.error):
        raise UnreadableUpload(f"{path.name} is damaged: it does not unpack", hint="fetch it again") from None
    return content.getvalue()
