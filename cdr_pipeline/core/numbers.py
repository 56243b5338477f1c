"""Dialled and presented numbers to E.164, by a number plan. Whatever is no public number has no E.164 form."""

from dataclasses import dataclass

import polars as pl

# E.164 allows 15 digits; shorter than 8 is an extension, a service code or a fragment.
_E164 = r"^[1-9][0-9]{7,14}$"
_DIGITS = r"^\+?[0-9]+$"
# "Name" <number>, the caller id of Asterisk and its kin.
_NAMED = r"^.*<([^<>]*)>$"
_IP_ADDRESS = r"^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$"
# +44 (0)20: the trunk prefix for callers within the country, which is no part of the international number.
_OPTIONAL_TRUNK = r"^(\+[ ]?[1-9][0-9]{0,2}[ ]?)\([01]\)"


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """How a source writes numbers.

    Attributes:
        country_code: E.164 country code of national numbers, digits only; None when unknown.
        national_prefix: trunk prefix of national numbers, such as 0; "" where there is none.
        international_prefix: regular expression of the prefix that replaces ``+``, such as 00 or 011.
        tech_prefix: the carrier's prefix, which is removed first; "" for none.
        bare_international: numbers without any prefix that begin with the country code are international.
    """

    country_code: str | None = None
    national_prefix: str = "0"
    international_prefix: str = "0{2,3}"
    tech_prefix: str = ""
    bare_international: bool = True


def e164(text: pl.Expr, plan: NumberPlan) -> pl.Expr:
    """``+`` and 8 to 15 digits, null for extensions, names, service codes and withheld numbers.

    Args:
        text: as delivered; ``sip:user@host`` and ``user@host`` are read by their user part.
        plan: how the source writes numbers.
    """
    return text.map_batches(lambda numbers: _e164(numbers, plan), return_dtype=pl.String, is_elementwise=True)


def _e164(numbers: pl.Series, plan: NumberPlan) -> pl.Series:
    """Step by step, for an expression of them all would work out each step once for every use of it."""
    name = numbers.name
    odd = (~numbers.str.contains(_DIGITS)).fill_null(value=False).arg_true()
    digits = numbers if odd.is_empty() else numbers.scatter(odd, _digits_of(numbers.gather(odd)))
    frame = digits.alias("digits").to_frame()
    cut = pl.col("digits")
    if plan.tech_prefix:
        frame = frame.with_columns(cut.str.strip_prefix(plan.tech_prefix))
    known = [cut.str.extract(rf"^(?:\+|{plan.international_prefix})([1-9][0-9]{{7,14}})$", 1)]
    if plan.country_code:
        known += _national(cut, plan, plan.country_code)
    found = frame.select(pl.coalesce(known).alias("number"))
    number = pl.col("number")
    return found.select(pl.when(number.str.contains(_E164)).then(pl.lit("+") + number)).to_series().alias(name)


def _digits_of(texts: pl.Series) -> pl.Series:
    """Digits, and a + before them, of what is written with more than those; null for an IP address."""
    text = pl.col("text")
    user = (
        texts.alias("text")
        .to_frame()
        .select(
            text.str.strip_chars()
            .str.replace(_NAMED, "$1")
            .str.replace(r"(?i)^<?(?:sips?|tel):", "")
            .str.extract(r"^([^@;>]*)", 1)
        )
    )
    bare = user.select(text.str.replace(_OPTIONAL_TRUNK, "$1").str.replace_all(r"[ ().\-/]", "").alias("bare"))
    return user.hstack(bare).select(pl.when(~text.str.contains(_IP_ADDRESS)).then("bare")).to_series()


def _national(digits: pl.Expr, plan: NumberPlan, country_code: str) -> list[pl.Expr]:
    """Readings that need the country code, most certain first."""
    readings: list[pl.Expr] = []
    if plan.bare_international:
        readings.append(digits.str.extract(rf"^({country_code}[0-9]{{8,}})$", 1))
    if plan.national_prefix:
        significant = digits.str.extract(rf"^{plan.national_prefix}([1-9][0-9]{{6,13}})$", 1)
    else:
        significant = digits.str.extract(r"^([1-9][0-9]{8,13})$", 1)
    readings.append(pl.lit(country_code) + significant)
    if country_code == "1":
        # The North American plan has ten digits and needs no prefix for them.
        readings.append(pl.lit("1") + digits.str.extract(r"^([2-9][0-9]{9})$", 1))
    return readings
