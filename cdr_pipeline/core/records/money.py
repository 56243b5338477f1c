"""Precision of amounts: the warehouse stores eight decimals. Amounts with more are rejected, not rounded."""

from typing import Final

import polars as pl

DECIMALS: Final = 8


def is_too_precise(text: pl.Expr, shift: int = 0) -> pl.Expr:
    """Whether an amount has more decimals than the warehouse stores, not counting zeros at the end.

    A binary fraction in decimal notation, such as 0.30000000000000004, is not too precise: if four zeros or four nines
    follow the last stored decimal, the remaining digits are an artefact of the program that wrote the amount, and the
    amount is rounded. No other amount is rounded.

    Args:
        text: amount with a point before its decimals; null stays null.
        shift: decimal places by which the amount is shifted to the right before it is stored.
    """
    decimals = DECIMALS - shift
    if decimals < 0:
        return text.str.contains(rf"[1-9]\d{{0,{-decimals - 1}}}(?:\.|$)") | text.str.contains(r"\.\d*[1-9]")
    has_more = text.str.contains(rf"\.\d{{{decimals}}}\d*[1-9]")
    return has_more & ~text.str.contains(rf"\.\d{{{decimals}}}(?:0000|9999)")
