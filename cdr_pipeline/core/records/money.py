"""How exact an amount is: the warehouse keeps eight decimals, and what has more is refused rather than rounded."""

from typing import Final

import polars as pl

DECIMALS: Final = 8


def is_too_precise(text: pl.Expr, shift: int = 0) -> pl.Expr:
    """Whether an amount has more decimals than are kept, zeros at the end left aside.

    A binary number that is written out, such as 0.30000000000000004, is none: where four zeros or four nines follow the
    last decimal that is kept, the rest is an artefact of the program that wrote it, and the amount is rounded to the
    nearest one. Nothing else is rounded.

    Args:
        text: an amount with a point before its decimals; null stays null.
        shift: decimal places by which the amount is divided before it is kept.
    """
    kept = DECIMALS - shift
    if kept < 0:
        return text.str.contains(rf"[1-9]\d{{0,{-kept - 1}}}(?:\.|$)") | text.str.contains(r"\.\d*[1-9]")
    more = text.str.contains(rf"\.\d{{{kept}}}\d*[1-9]")
    return more & ~text.str.contains(rf"\.\d{{{kept}}}(?:0000|9999)")
