"""Decompresses a response while it arrives, up to a limit: a hundred kilobytes can unpack to gigabytes."""

import zlib
from typing import Final

from cdr_pipeline.errors import ReplyTooLarge, TransientUpstreamError

# Makes zlib detect whether the stream is gzip or zlib.
_ANY_FORMAT: Final = 47
_PLAIN: Final = ("", "identity")
_PACKED: Final = ("gzip", "x-gzip", "deflate")


class Unpacking:
    """Body of one response.

    Args:
        encoding: Content-Encoding of the response.
        limit: largest size of the unpacked body, in bytes.

    Raises:
        TransientUpstreamError: the encoding is not one of those that the client accepts.
    """

    def __init__(self, encoding: str, *, limit: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in (*_PLAIN, *_PACKED):
            raise TransientUpstreamError("a reply has an encoding that the client does not accept")
        self._unpacker = zlib.decompressobj(_ANY_FORMAT) if encoding in _PACKED else None
        self._limit = limit
        self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Adds bytes from the network.

        Raises:
            ReplyTooLarge: the unpacked body exceeds the limit.
            TransientUpstreamError: the bytes cannot be unpacked.
        """
        if self._unpacker is None:
            self._body += chunk
        else:
            try:
                self._body += self._unpacker.decompress(chunk, self._limit - len(self._body) + 1)
            except zlib.error:
                raise TransientUpstreamError("a reply cannot be unpacked") from None
        if len(self._body) > self._limit:
            self._body = bytearray()
            raise ReplyTooLarge(
                f"a reply unpacks to more than {self._limit // 1024**2} MiB", hint="lower CDR_API_PAGE_SIZE"
            )

    def finished(self) -> bytes:
        """The complete body.

        Raises:
            TransientUpstreamError: the compressed body is truncated.
        """
        if self._unpacker is not None and self._body and not self._unpacker.eof:
            raise TransientUpstreamError("a compressed reply is truncated")
        return bytes(self._body)
