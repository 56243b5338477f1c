"""Packed files: the same content is the same bytes, whoever packs it and whenever."""

import zlib
from typing import Final, Literal, Protocol

import zstandard

Compression = Literal["none", "gzip", "zstd"]
SUFFIXES: Final[dict[Compression, str]] = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_GZIP_LEVEL: Final = 6
_GZIP_WINDOW: Final = 31  # asks zlib for a gzip header; it writes no name and no time into it
_ZSTD_LEVEL: Final = 3


class Compressor(Protocol):
    """Packs a stream."""

    def compress(self, data: bytes, /) -> bytes:
        """What can be written so far."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


class _Unpacked:
    """Leaves bytes as they are."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def packer(compression: Compression) -> Compressor:
    """A fresh packer: gzip without name and time, zstd in one thread."""
    match compression:
        case "gzip":
            return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        case "zstd":
            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=0).compressobj()
        case "none":
            return _Unpacked()
