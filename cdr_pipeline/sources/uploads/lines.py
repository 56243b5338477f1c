"""Splits text into logical lines, block by block. A quoted field may hold line ends; an unclosed quote costs one line.

The result does not depend on where the text is split into blocks.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.errors import UnreadableUpload

# Characters processed at once, and the limits of a physical line and of a quoted field with line ends.
BLOCK: Final = 8 * 1024**2
LONGEST_LINE: Final = 32 * 1024**2
LONGEST_FIELD: Final = 1024**2
# A file whose first characters, up to this number, hold no LF ends its lines with CR.
_SAMPLE: Final = 1024**2
_ODD: Final = "__odd"
_COUNT: Final = "__count"
_PAIR: Final = "__pair"
_LINE_SCHEMA: Final[dict[str, pl.DataType]] = {LINE: pl.Int64(), RAW: pl.String()}


def line_blocks(pieces: Iterable[str], layout: Layout, *, block: int = BLOCK) -> Iterator[pl.DataFrame]:
    """Yields the logical lines of a text in blocks: ``line`` (number of the first physical line, from 1) and ``raw``.

    Args:
        pieces: the text, split at any position.
        layout: layout that states whether quoted fields may hold line ends.
        block: number of characters processed at once.

    Raises:
        UnreadableUpload: a line is longer than the limit.
    """
    buffer, number = "", 1
    for piece in _with_line_feeds(pieces):
        buffer += piece
        if len(buffer) < block:
            continue
        end = buffer.rfind("\n") + 1
        if not end and len(buffer) <= LONGEST_LINE:
            continue
        lines, taken = _logical(_numbered(buffer[:end] or buffer, number), layout, at_end=False)
        if not lines.is_empty():
            yield lines
        rest = buffer[end:]
        if taken is not None:
            rest = "\n".join([*taken[RAW].to_list(), rest])
            number = taken[LINE].item(0)
        else:
            number += buffer.count("\n", 0, end)
        buffer = rest
    lines, _ = _logical(_numbered(buffer, number), layout, at_end=True)
    yield lines


def logical_lines(text: str, layout: Layout) -> pl.DataFrame:
    """All logical lines of a text in one frame; see ``line_blocks``."""
    return pl.concat(line_blocks([text], layout))


def physical_lines(text: str) -> pl.DataFrame:
    """``line`` (from 1) and ``raw`` of lines that end with LF, CRLF or, in a file without LF, CR."""
    return logical_lines(text, Layout(quoted=False))


def _with_line_feeds(pieces: Iterable[str]) -> Iterator[str]:
    """Yields the text with CR replaced by LF if lines end with CR alone."""
    sample, only_cr = "", None
    for piece in pieces:
        if only_cr is not None:
            yield piece.replace("\r", "\n") if only_cr else piece
            continue
        sample += piece
        if "\n" in sample or len(sample) >= _SAMPLE:
            only_cr = "\n" not in sample[:_SAMPLE] and "\r" in sample
            yield sample.replace("\r", "\n") if only_cr else sample
    if only_cr is None:
        yield sample.replace("\r", "\n")


def _numbered(text: str, first: int) -> pl.DataFrame:
    """Numbered physical lines. They keep the CR of a CRLF, because it belongs to the text inside a quoted field."""
    if not text:
        return pl.DataFrame(schema=_LINE_SCHEMA)
    lines = pl.Series(RAW, [text.removesuffix("\n")]).str.split("\n").explode(empty_as_null=False)
    if (lines.str.len_bytes().max() or 0) > LONGEST_LINE:  # type: ignore[operator]
        longest = first + int(lines.str.len_bytes().arg_max() or 0)
        raise UnreadableUpload(f"line {longest} has more than {LONGEST_LINE // 1024**2} MiB")
    return pl.DataFrame([pl.int_range(first, first + len(lines), dtype=pl.Int64, eager=True).alias(LINE), lines])


def _logical(lines: pl.DataFrame, layout: Layout, *, at_end: bool) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Logical lines, and the physical lines at the end that the next block may continue, if any.

    A line with an odd number of quotes opens a field, and the next such line closes it if both together are a
    well-formed record. Otherwise the line remains a logical line of its own, and the next one is tried. Therefore an
    unclosed quote affects its own line only.
    """
    if not layout.quoted or lines.is_empty():
        return _without_cr(lines), None
    quotes = lines[RAW].str.count_matches('"', literal=True)
    odd = quotes % 2 == 1
    if not odd.any():
        return _without_cr(lines), None
    marked = lines.with_columns(odd.alias(_ODD), odd.cast(pl.Int64).cum_sum().alias(_COUNT))
    joins = _joins(marked, layout)
    opening, closing = joins.gather(marked[_COUNT]), joins.gather(marked[_COUNT] - 1) & odd
    numbers = pl.DataFrame([marked[_COUNT], opening.alias("o"), closing.alias("c")])
    pair = numbers.select(pl.when(pl.col("o")).then(_COUNT).when(pl.col("c")).then(pl.col(_COUNT) - 1).alias(_PAIR))
    paired = marked.hstack(pair)
    waiting = None if at_end else _waiting(paired)
    if waiting is not None:
        paired = paired.filter(pl.col(LINE) < waiting[LINE].item(0))
    single = paired.filter(pl.col(_PAIR).is_null()).select(LINE, RAW)
    joined = (
        paired.filter(pl.col(_PAIR).is_not_null())
        .group_by(_PAIR, maintain_order=True)
        .agg(pl.col(LINE).first(), pl.col(RAW).str.join("\n"))
        .select(LINE, RAW)
    )
    return _without_cr(pl.concat([single, joined]).sort(LINE)), waiting


def _joins(marked: pl.DataFrame, layout: Layout) -> pl.Series:
    """Whether each line with an odd number of quotes, numbered from 0, is joined to the next such line.

    Of well-formed pairs that overlap, every second one is joined, beginning with the first.
    """
    last = int(marked[_COUNT].item(-1))
    sound = pl.DataFrame({_PAIR: range(last + 1)}, schema={_PAIR: pl.Int64})
    record = _sound_record(layout)
    pairs = [
        # Pairs of one parity do not overlap: each line is in one of them or in none.
        marked.with_columns(
            pl.when(pl.col(_COUNT) % 2 == parity).then(_COUNT).when(pl.col(_ODD)).then(pl.col(_COUNT) - 1).alias(_PAIR)
        )
        .filter((pl.col(_PAIR) > 0) & (pl.col(_PAIR) < last))
        .with_columns((pl.col(RAW).str.len_chars() + 1).sum().over(_PAIR).alias("__length"))
        .filter(pl.col("__length") <= LONGEST_FIELD)
        .group_by(_PAIR)
        .agg(pl.col(RAW).str.join("\n").str.strip_suffix("\r"))
        .select(_PAIR, (pl.lit(layout.delimiter) + pl.col(RAW)).str.contains(record).alias("sound"))
        for parity in (0, 1)
    ]
    return (
        sound.join(pl.concat(pairs), on=_PAIR, how="left", maintain_order="left")
        .with_columns(pl.col("sound").fill_null(value=False))
        .with_columns(pl.int_range(pl.len()).over(pl.col("sound").rle_id()).alias("__index"))
        .select(pl.col("sound") & (pl.col("__index") % 2 == 0))
        .to_series()
    )


def _waiting(lines: pl.DataFrame) -> pl.DataFrame | None:
    """Lines from the last one with an odd number of quotes, if its field is open and the next block may close it."""
    last = lines.filter(pl.col(_ODD)).tail(1)
    if last[_PAIR].item() is not None:
        return None
    waiting = lines.filter(pl.col(LINE) >= last[LINE].item())
    length = int(waiting[RAW].str.len_chars().sum()) + waiting.height
    return waiting if length <= LONGEST_FIELD else None


def _sound_record(layout: Layout) -> str:
    """Expression for a delimiter and a record in which only fully quoted fields hold line ends."""
    mark = escaped(layout.delimiter)
    one_line = rf'(?:"[^"\n]*"|[^{mark}"\n]+)*'
    return rf'^(?:{mark}(?:[ ]*"(?:[^"]|"")*"[ ]*|{one_line}))*$'


def escaped(character: str) -> str:
    """Any character as a literal in a regular expression."""
    return rf"\x{{{ord(character):x}}}"


def _without_cr(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.with_columns(pl.col(RAW).str.strip_suffix("\r"))
