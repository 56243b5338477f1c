"""Dialled and presented numbers to E.164, by a number plan. Text that is no public number has no E.164 form.

How a country writes its national numbers comes from the metadata of ``phonenumbers`` (Google's libphonenumber): trunk
prefix, pattern of valid numbers, prefix of international calls. It is applied to whole columns; no number is parsed by
itself.
"""

import re
from dataclasses import dataclass
from functools import cache

import polars as pl
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

# E.164 allows 15 digits; shorter than 8 is an extension, a service code or a fragment.
_E164 = r"^[1-9][0-9]{7,14}$"
_DIGITS = r"^\+?[0-9]+$"
# "Name" <number>, the caller id of Asterisk and its kin.
_NAMED = r"^.*<([^<>]*)>$"
_IP_ADDRESS = r"^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$"
# +44 (0)20: the trunk prefix for callers within the country, which is no part of the international number.
_OPTIONAL_TRUNK = r"^(\+[ ]?[1-9][0-9]{0,2}[ ]?)\([01]\)"


@dataclass(frozen=True, slots=True)
class Country:
    """How the numbers of a country are written within it. Patterns are regular expressions.

    Attributes:
        number: matches the whole of a national number without trunk prefix.
        lengths: digits that such a number may have.
        trunk_prefix: matches the prefix that callers within the country put before it; None where there is none.
        replacement: what a match of ``trunk_prefix`` becomes, such as an area code; usually nothing.
        international_prefix: matches what callers within the country dial for ``+``.
    """

    number: str
    lengths: tuple[int, ...]
    trunk_prefix: str | None
    replacement: str
    international_prefix: str

    def has(self, digits: pl.Expr) -> pl.Expr:
        """Whether digits are a national number of the country."""
        return digits.str.len_bytes().is_in(self.lengths) & digits.str.contains(self.number)


@cache
def country_of(country_code: str) -> Country | None:
    """The country of an E.164 country code; None for a code that no country has.

    Of several countries that share a code (+1, +7, +44) the main one.
    """
    region = COUNTRY_CODE_TO_REGION_CODE.get(int(country_code), ("001",))[0]
    known = PhoneMetadata.metadata_for_region_or_calling_code(int(country_code), region)
    general = known and known.general_desc
    if known is None or general is None or not general.national_number_pattern:
        return None
    return Country(
        number=f"^(?:{general.national_number_pattern})$",
        lengths=tuple(general.possible_length),
        trunk_prefix=f"^(?:{known.national_prefix_for_parsing})" if known.national_prefix_for_parsing else None,
        # Groups are ${1} in Polars.
        replacement=(known.national_prefix_transform_rule or "").replace("\\1", "${1}").replace("\\2", "${2}"),
        international_prefix=re.sub(r"\((?!\?)", "(?:", known.international_prefix or "00"),
    )


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """How a source writes numbers.

    Attributes:
        country_code: E.164 country code of national numbers, digits only; None when unknown.
        national_prefix: trunk prefix of national numbers, such as 0; "" where there is none; that of the country when
            omitted.
        international_prefix: regular expression of the prefix that replaces ``+``; the country's own is accepted too.
        tech_prefix: the carrier's prefix, which is removed first; "" for none.
        bare_international: numbers without any prefix that begin with the country code are international.
    """

    country_code: str | None = None
    national_prefix: str | None = None
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
    known = frame.select(cut.str.extract(rf"^(?:\+|{plan.international_prefix})([1-9][0-9]{{7,14}})$", 1)).to_series()
    if plan.country_code:
        # Most numbers are international; only the others are held against the country's patterns.
        rest = (known.is_null() & frame["digits"].is_not_null()).arg_true()
        if not rest.is_empty():
            readings = _national(cut, plan, plan.country_code)
            known = known.scatter(rest, frame[rest].select(pl.coalesce(readings)).to_series())
    number = pl.col("number")
    found = known.alias("number").to_frame()
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
    code, country = pl.lit(country_code), country_of(country_code)
    if country is not None:
        dialled = digits.str.extract(rf"^(?:{country.international_prefix})([1-9][0-9]{{7,14}})$", 1)
        readings.append(dialled)
        if plan.bare_international:
            rest = digits.str.extract(rf"^{country_code}([0-9]+)$", 1)
            readings.append(pl.when(country.has(rest)).then(code + rest))
        if plan.national_prefix is None:
            readings.append(code + _significant(digits, country))
    if plan.bare_international:
        readings.append(digits.str.extract(rf"^({country_code}[0-9]{{8,}})$", 1))
    prefix = "0" if plan.national_prefix is None else plan.national_prefix
    if prefix:
        significant = digits.str.extract(rf"^{prefix}([1-9][0-9]{{6,13}})$", 1)
    else:
        significant = digits.str.extract(r"^([1-9][0-9]{8,13})$", 1)
    readings.append(code + significant)
    if country_code == "1":
        # The North American plan has ten digits and needs no prefix for them.
        readings.append(code + digits.str.extract(r"^([2-9][0-9]{9})$", 1))
    return readings


def _significant(digits: pl.Expr, country: Country) -> pl.Expr:
    """The national number without its trunk prefix, null when it is not valid in the country.

    As in libphonenumber, a prefix that is part of a valid number stays: 06 12345678 is a number of Rome.
    """
    written = pl.when(country.has(digits)).then(digits)
    if country.trunk_prefix is None:
        return written
    without = digits.str.replace(country.trunk_prefix, "")
    if country.replacement:
        # It stands for what the prefix's last group holds; where that group has no part in the match, nothing does.
        group = digits.str.extract(country.trunk_prefix, re.compile(country.trunk_prefix).groups)
        replaced = digits.str.replace(country.trunk_prefix, country.replacement)
        without = pl.when(group.is_null()).then(without).otherwise(replaced)
    stripped = pl.when(digits.str.contains(country.trunk_prefix) & country.has(without)).then(without)
    return pl.coalesce(stripped, written)
