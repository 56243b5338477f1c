"""Compression of CSV files; the same content always gives the same bytes."""

import zlib
from typing import Final, Literal, Protocol

import zstandard

Compression = Literal["none", "gzip", "zstd"]
SUFFIXES: Final[dict[Compression, str]] = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_GZIP_LEVEL: Final = 6
_GZIP_WINDOW: Final = 31  # selects a gzip header, without file name and time
_ZSTD_LEVEL: Final = 3


class Compressor(Protocol):
    """Compresses a stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Compressed bytes that are ready to be written."""
        ...

    def flush(self) -> bytes:
        """The remaining compressed bytes."""
        ...


class _NoCompression:
    """Returns bytes unchanged."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def packer(compression: Compression) -> Compressor:
    """A new compressor: gzip without name and time, zstd in one thread."""
    match compression:
        case "gzip":
            return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        case "zstd":
            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=0).compressobj()
        case "none":
            return _NoCompression()
