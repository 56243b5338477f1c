"""Which callers are presented: texts for withheld numbers are recognised by rule, not by a list of words."""

from collections.abc import Sequence
from typing import Final

import polars as pl

# Numbers that gateways write for a withheld caller: 266696687 spells ANONYMOUS on a keypad.
_PLACEHOLDERS: Final = ("+266696687", "266696687")
_PLACEHOLDER: Final = 266_696_687
_WORDS: Final = (
    "anonymous", "restricted", "private", "unavailable", "unknown", "withheld", "none", "null", "blocked", "n/a",
    "nobody",
)  # fmt: skip
# Texts that are this number or more are plain numbers.
_LEAST_PLAIN: Final = 1_000
# "Name" <number>
_NAMED: Final = r"^.*<([^<>]*)>$"
_MASKED: Final = r"[0-9x]*[*?\u{2022}]|x{2}|[0-9+]x+$"


def presented_caller(text: pl.Expr, withheld: Sequence[str] = (), *, names: bool = False) -> pl.Expr:
    """A caller's number in lower case; null if the text is one for a withheld number.

    A number is withheld if its text has no digit, only zeros, or masked digits (``4930XXXX``), or if its user part of a
    SIP address does. A switch also has callers with names, of which only the usual words for withheld ones are not
    presented.

    Args:
        text: caller as the side wrote it.
        names: whether a word may be the name of a caller.
        withheld: further regular expressions of texts for withheld numbers, in lower case.
    """
    return text.map_batches(
        lambda texts: _presented(texts, withheld, names=names), return_dtype=pl.String, is_elementwise=True
    )


def _presented(texts: pl.Series, withheld: Sequence[str], *, names: bool) -> pl.Series:
    """Runs the slower rules only on texts that are not plain numbers."""
    texts = texts.str.strip_chars()
    # A number is read much faster than a pattern is matched.
    number = texts.str.strip_prefix("+").cast(pl.Int64, strict=False)
    plain = (number >= _LEAST_PLAIN).fill_null(value=False)
    others = (~plain & texts.is_not_null()).arg_true()
    hidden = pl.zeros(len(texts), pl.Boolean, eager=True)
    suspected = (number == _PLACEHOLDER).arg_true()
    if len(others):
        read = _of_words(texts.gather(others), names=names)
        texts = texts.scatter(others, read)
        suspected = pl.concat([suspected, others])
    if len(suspected):
        hidden = hidden.scatter(suspected, texts.gather(suspected).is_in(_PLACEHOLDERS).fill_null(value=False))
    for pattern in withheld:
        hidden |= texts.str.contains(pattern).fill_null(value=False)
    return texts.set(hidden, None) if hidden.any() else texts


def _of_words(texts: pl.Series, *, names: bool) -> pl.Series:
    plain = texts.str.to_lowercase()
    user = (
        plain.str.replace(_NAMED, "$1")
        .str.replace(r"^(?:sips?|tel):", "")
        .str.replace(r"[@;].*$", "")
        .str.strip_chars()
    )
    shown = user.str.contains(r"[1-9]") & ~user.str.contains(_MASKED)
    if names:
        shown |= ~user.is_in(_WORDS) & user.str.contains(r"[a-z]") & ~user.str.contains(_MASKED)
    frame = pl.DataFrame({"plain": plain, "shown": shown.fill_null(value=False)})
    return frame.select(pl.when("shown").then("plain")).to_series()
