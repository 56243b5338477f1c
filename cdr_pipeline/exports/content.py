"""Lines of a file, hashed before they are compressed."""

import hashlib
from dataclasses import InitVar, dataclass, field
from typing import Any

from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.compression import Compression, Compressor, packer


@dataclass(slots=True)
class Content:
    """Writes lines into a file: hashes them uncompressed, then compresses them."""

    writing: AtomicFile
    compression: InitVar[Compression]
    _packer: Compressor = field(init=False)
    _digest: Any = field(init=False)

    def __post_init__(self, compression: Compression) -> None:
        self._packer = packer(compression)
        # Uncompressed content is hashed once, by the file itself.
        self._digest = self.writing.digest if compression == "none" else hashlib.sha256()

    def write(self, lines: bytes) -> None:
        """Appends lines."""
        if self._digest is not self.writing.digest:
            self._digest.update(lines)
        if compressed := self._packer.compress(lines):
            self.writing.write(compressed)

    def finish(self) -> str:
        """Writes the rest of the compressed bytes; returns the SHA-256 of all lines."""
        if rest := self._packer.flush():
            self.writing.write(rest)
        return str(self._digest.hexdigest())
