"""CSV files that people write, such as rate cards and invoices. A fault names file, line and column, never a value."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cdr_pipeline.errors import CdrError


class WrittenLine(NamedTuple):
    """A line with its number; values by column in lower case, without surrounding spaces."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A kind of such files.

    Attributes:
        kind: what the file is called in messages.
        columns: names of its columns, in lower case.
        needed: columns that it must have.
        error: class of its errors.
        too_large: hint about a file that is too large.
        absent: hint about a file that cannot be read.
        most_bytes: largest size of a file.
    """

    kind: str
    columns: tuple[str, ...]
    needed: tuple[str, ...]
    error: type[CdrError]
    too_large: str
    absent: str = "check the path and its permissions"
    most_bytes: int = 20_000_000

    def lines(self, path: Path) -> Iterator[WrittenLine]:
        """Lines that are not empty.

        Raises:
            ``error``: the file cannot be read, a column is missing or unknown, or a line has too many or few values.
        """
        reader = csv.reader(self._text(path).splitlines(keepends=True), strict=True)
        try:
            header = [name.strip().lower() for name in next(reader, [])]
            self._require_columns(path, header)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise self.error(
                        f"{self.kind} {path.name}, line {reader.line_num}: {len(cells)} values for {len(header)}"
                        " columns",
                        hint="put values that contain a comma in quotes; numbers have a decimal point",
                    )
                yield WrittenLine(reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
        except csv.Error as error:
            raise self.error(
                f"{self.kind} {path.name}, line {reader.line_num}: {error}", hint="save it as CSV with commas and UTF-8"
            ) from None

    def _require_columns(self, path: Path, header: list[str]) -> None:
        problems = [f"{name}: unknown" for name in header if name not in self.columns]
        problems += [f"{name}: named twice" for name in dict.fromkeys(header) if header.count(name) > 1]
        problems += [f"{name}: missing" for name in self.needed if name not in header]
        if problems:
            raise self.error(
                f"{self.kind} {path.name}, line 1, column {', '.join(problems)}",
                hint=f"its columns are {', '.join(self.columns)}, separated by commas; only"
                f" {' and '.join(self.needed)} must be there",
            )

    def _text(self, path: Path) -> str:
        try:
            if path.stat().st_size > self.most_bytes:
                raise self.error(
                    f"{self.kind} {path.name} is larger than {self.most_bytes // 1_000_000} MB", hint=self.too_large
                )
            content = path.read_bytes()
        except OSError as error:
            raise self.error(
                f"{self.kind} {path.name} cannot be read: {type(error).__name__}", hint=self.absent
            ) from None
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            line, column = before.count(b"\n") + 1, before.rsplit(b"\n", maxsplit=1)[-1].count(b",") + 1
            raise self.error(
                f"{self.kind} {path.name}, line {line}, column {column}: not UTF-8", hint="save the file as UTF-8"
            ) from None
