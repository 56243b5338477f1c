"""Unpacks a reply as it arrives, and never holds more of it than was agreed: a hundred kilobytes can hide gigabytes."""

import zlib
from typing import Final

from cdr_pipeline.errors import ReplyTooLarge, TransientUpstreamError

# Tells zlib to find out by itself whether the stream is gzip or zlib.
_ANY_FORMAT: Final = 47
_PLAIN: Final = ("", "identity")
_PACKED: Final = ("gzip", "x-gzip", "deflate")


class Unpacking:
    """The body of one reply.

    Args:
        encoding: its Content-Encoding.
        limit: bytes that the unpacked body may have.

    Raises:
        TransientUpstreamError: it is packed in a way that was not asked for.
    """

    def __init__(self, encoding: str, *, limit: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in (*_PLAIN, *_PACKED):
            raise TransientUpstreamError("a reply is packed in a way that was not asked for")
        self._unpacker = zlib.decompressobj(_ANY_FORMAT) if encoding in _PACKED else None
        self._limit = limit
        self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Adds what came from the network.

        Raises:
            ReplyTooLarge: the limit is passed.
            TransientUpstreamError: it does not unpack.
        """
        if self._unpacker is None:
            self._body += chunk
        else:
            try:
                self._body += self._unpacker.decompress(chunk, self._limit - len(self._body) + 1)
            except zlib.error:
                raise TransientUpstreamError("a reply does not unpack") from None
        if len(self._body) > self._limit:
            self._body = bytearray()
            raise ReplyTooLarge(
                f"a reply unpacks to more than {self._limit // 1024**2} MiB", hint="lower CDR_API_PAGE_SIZE"
            )

    def finished(self) -> bytes:
        """The whole body.

        Raises:
            TransientUpstreamError: it ended too early.
        """
        if self._unpacker is not None and self._body and not self._unpacker.eof:
            raise TransientUpstreamError("a packed reply is cut")
        return bytes(self._body)
