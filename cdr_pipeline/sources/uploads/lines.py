"""Text to logical lines, block by block: a quoted field may hold line ends, and a lost quote swallows nothing.

What becomes of a line never depends on where the text was cut into blocks.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.errors import UnreadableUpload

# Characters that are worked on at once; no line is longer than this, and no quoted field of several lines than that.
BLOCK: Final = 8 * 1024**2
LONGEST_LINE: Final = 32 * 1024**2
LONGEST_FIELD: Final = 1024**2
# A file that has no LF in so many characters ends its lines with CR.
_LOOK: Final = 1024**2
_ODD: Final = "__odd"
_COUNT: Final = "__count"
_PAIR: Final = "__pair"
_LINE_SCHEMA: Final[dict[str, pl.DataType]] = {LINE: pl.Int64(), RAW: pl.String()}


def line_blocks(pieces: Iterable[str], layout: Layout, *, block: int = BLOCK) -> Iterator[pl.DataFrame]:
    """Logical lines of a text, ``line`` (number of the first physical one, from 1) and ``raw``, some at a time.

    Args:
        pieces: the text, cut anywhere.
        layout: whether quotes may hold line ends.
        block: characters worked on at once.

    Raises:
        UnreadableUpload: a line is longer than any record can be.
    """
    held, number = "", 1
    for piece in _with_line_feeds(pieces):
        held += piece
        if len(held) < block:
            continue
        end = held.rfind("\n") + 1
        if not end and len(held) <= LONGEST_LINE:
            continue
        lines, taken = _logical(_numbered(held[:end] or held, number), layout, at_end=False)
        if not lines.is_empty():
            yield lines
        rest = held[end:]
        if taken is not None:
            rest = "\n".join([*taken[RAW].to_list(), rest])
            number = taken[LINE].item(0)
        else:
            number += held.count("\n", 0, end)
        held = rest
    lines, _ = _logical(_numbered(held, number), layout, at_end=True)
    yield lines


def logical_lines(text: str, layout: Layout) -> pl.DataFrame:
    """All logical lines of a text in one piece, as ``line_blocks`` has them."""
    return pl.concat(line_blocks([text], layout))


def physical_lines(text: str) -> pl.DataFrame:
    """``line`` (from 1) and ``raw`` by LF, CRLF or, where a file has no LF, CR; a final line end begins no line."""
    return logical_lines(text, Layout(quoted=False))


def _with_line_feeds(pieces: Iterable[str]) -> Iterator[str]:
    """The text; CR are made LF where lines end with them."""
    looked, only_cr = "", None
    for piece in pieces:
        if only_cr is not None:
            yield piece.replace("\r", "\n") if only_cr else piece
            continue
        looked += piece
        if "\n" in looked or len(looked) >= _LOOK:
            only_cr = "\n" not in looked[:_LOOK] and "\r" in looked
            yield looked.replace("\r", "\n") if only_cr else looked
    if only_cr is None:
        yield looked.replace("\r", "\n")


def _numbered(text: str, first: int) -> pl.DataFrame:
    """Physical lines that still have the CR of their CRLF, which belongs to the text inside a quoted field."""
    if not text:
        return pl.DataFrame(schema=_LINE_SCHEMA)
    lines = pl.Series(RAW, [text.removesuffix("\n")]).str.split("\n").explode(empty_as_null=False)
    if (lines.str.len_bytes().max() or 0) > LONGEST_LINE:  # type: ignore[operator]
        longest = first + int(lines.str.len_bytes().arg_max() or 0)
        raise UnreadableUpload(f"line {longest} has more than {LONGEST_LINE // 1024**2} MiB")
    return pl.DataFrame([pl.int_range(first, first + len(lines), dtype=pl.Int64, eager=True).alias(LINE), lines])


def _logical(lines: pl.DataFrame, layout: Layout, *, at_end: bool) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Logical lines, and the physical ones from the last on that may still be continued, if any.

    A line with an odd number of quotes opens a field that the next such line closes, if what they make together is a
    sound record; else it stays alone, and the next one is tried. So a lost quote costs its own line and no other.
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
    found = marked.hstack(pair)
    waiting = None if at_end else _waiting(found)
    if waiting is not None:
        found = found.filter(pl.col(LINE) < waiting[LINE].item(0))
    alone = found.filter(pl.col(_PAIR).is_null()).select(LINE, RAW)
    joined = (
        found.filter(pl.col(_PAIR).is_not_null())
        .group_by(_PAIR, maintain_order=True)
        .agg(pl.col(LINE).first(), pl.col(RAW).str.join("\n"))
        .select(LINE, RAW)
    )
    return _without_cr(pl.concat([alone, joined]).sort(LINE)), waiting


def _joins(marked: pl.DataFrame, layout: Layout) -> pl.Series:
    """For each number of a line with an odd number of quotes, from 0, whether it is joined to the next such line.

    Of pairs that are sound and overlap, the first counts, then the third, and so on.
    """
    last = int(marked[_COUNT].item(-1))
    sound = pl.DataFrame({_PAIR: range(last + 1)}, schema={_PAIR: pl.Int64})
    whole = _sound_record(layout)
    found = [
        # Pairs of one parity do not overlap: each line is in one of them or in none.
        marked.with_columns(
            pl.when(pl.col(_COUNT) % 2 == parity).then(_COUNT).when(pl.col(_ODD)).then(pl.col(_COUNT) - 1).alias(_PAIR)
        )
        .filter((pl.col(_PAIR) > 0) & (pl.col(_PAIR) < last))
        .with_columns((pl.col(RAW).str.len_chars() + 1).sum().over(_PAIR).alias("__length"))
        .filter(pl.col("__length") <= LONGEST_FIELD)
        .group_by(_PAIR)
        .agg(pl.col(RAW).str.join("\n").str.strip_suffix("\r"))
        .select(_PAIR, (pl.lit(layout.delimiter) + pl.col(RAW)).str.contains(whole).alias("sound"))
        for parity in (0, 1)
    ]
    return (
        sound.join(pl.concat(found), on=_PAIR, how="left", maintain_order="left")
        .with_columns(pl.col("sound").fill_null(value=False))
        .with_columns(pl.int_range(pl.len()).over(pl.col("sound").rle_id()).alias("__place"))
        .select(pl.col("sound") & (pl.col("__place") % 2 == 0))
        .to_series()
    )


def _waiting(found: pl.DataFrame) -> pl.DataFrame | None:
    """Lines from the last odd one on, when nothing closes it yet and what comes next still may."""
    last = found.filter(pl.col(_ODD)).tail(1)
    if last[_PAIR].item() is not None:
        return None
    waiting = found.filter(pl.col(LINE) >= last[LINE].item())
    length = int(waiting[RAW].str.len_chars().sum()) + waiting.height
    return waiting if length <= LONGEST_FIELD else None


def _sound_record(layout: Layout) -> str:
    """Expression of a delimiter and a record in which only fields quoted from end to end hold line ends."""
    mark = escaped(layout.delimiter)
    one_line = rf'(?:"[^"\n]*"|[^{mark}"\n]+)*'
    return rf'^(?:{mark}(?:[ ]*"(?:[^"]|"")*"[ ]*|{one_line}))*$'


def escaped(character: str) -> str:
    """A character in a regular expression, whatever it is."""
    return rf"\x{{{ord(character):x}}}"


def _without_cr(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.with_columns(pl.col(RAW).str.strip_suffix("\r"))
