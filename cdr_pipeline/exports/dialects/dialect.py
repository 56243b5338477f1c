"""What an export dialect consists of: name, suffix, description, writer and reader."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.compression import Compression


@dataclass(frozen=True, slots=True)
class ExactRows:
    """Rows of a day's exact file, from which a writer makes the file of its dialect.

    Attributes:
        path: the exact file on disk.
        columns: columns of the file, in order.
        frames: function that reads the rows from the start, as chunks of text columns.
        compression: compression of the day's text files.
        redaction_key: secret key that masks numbers and ids; None if the installation has none.
    """

    path: Path
    columns: list[str]
    frames: Callable[[], Iterator[pl.DataFrame]]
    compression: Compression
    redaction_key: str | None


@dataclass(frozen=True, slots=True)
class ExportDialect:
    """A format of the daily files.

    Attributes:
        name: name in the setting ``CDR_EXPORT_DIALECTS``, in manifests and in the ledger; also that of the module.
        suffix: end of its file names, before that of the compression.
        description: what the file contains and who uses it; shown in the documentation.
        read: reads a file as cells of the exact dialect, in chunks of rows; detects compression itself.
        write: writes a file from the rows of the exact one. Returns the hash of the content if it differs from that of
            the exact file, else None. ``write`` itself is None if the dialect is not made from the exact file alone.
        header: first line of a text file with these columns. None if the dialect is not text; only text is compressed.
        rule: name of the rule by which cells are changed, for the manifest; None if they are unchanged.
        totals_by: columns by whose values the totals of the manifest are grouped.
    """

    name: str
    suffix: str
    description: str
    read: Callable[[Path], Iterator[pl.DataFrame]]
    write: Callable[[ExactRows, AtomicFile], str | None] | None = None
    header: Callable[[Sequence[str]], bytes] | None = None
    rule: str | None = None
    totals_by: tuple[str, ...] = ("origin",)

    @property
    def is_text(self) -> bool:
        """Whether its files are lines of text, which may be compressed."""
        return self.header is not None
