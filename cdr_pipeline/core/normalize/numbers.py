"""Converts dialled and presented numbers to E.164 by a number plan. Other texts have no E.164 form.

The national notation of each country comes from the metadata of ``phonenumbers`` (Google's libphonenumber): trunk
prefix, pattern of valid numbers, prefix of international calls. The patterns run on whole columns; numbers are not
parsed one by one.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import polars as pl
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from pydantic import ConfigDict

from cdr_pipeline.core.uploads.profile_values import STRICT

# E.164 allows 15 digits. Fewer than 8 digits are an extension, a service code or a fragment.
_E164 = r"^[1-9][0-9]{7,14}$"
_DIGITS = r"^\+?[0-9]+$"
# "Name" <number>, the caller id of Asterisk and similar systems.
_NAMED = r"^.*<([^<>]*)>$"
_IP_ADDRESS = r"^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$"
# +44 (0)20: the trunk prefix for callers within the country, which is not part of the international number.
_OPTIONAL_TRUNK = r"^(\+[ ]?[1-9][0-9]{0,2}[ ]?)\([01]\)"


@dataclass(frozen=True, slots=True)
class Country:
    """National notation of the numbers of a country. Patterns are regular expressions.

    Attributes:
        number: matches a whole national number without trunk prefix.
        lengths: possible numbers of digits of such a number.
        trunk_prefix: matches the prefix that callers within the country dial first; None when there is none.
        replacement: replacement for the match of ``trunk_prefix``, such as an area code; usually empty.
        international_prefix: matches the prefix that callers within the country dial for ``+``.
    """

    number: str
    lengths: tuple[int, ...]
    trunk_prefix: str | None
    replacement: str
    international_prefix: str

    def has(self, digits: pl.Expr) -> pl.Expr:
        """Whether digits are a valid national number of the country."""
        return digits.str.len_bytes().is_in(self.lengths) & digits.str.contains(self.number)


@cache
def country_of(country_code: str) -> Country | None:
    """The country of an E.164 country code; None when no country has the code.

    If several countries share a code (+1, +7, +44), the result is the main country.
    """
    region = COUNTRY_CODE_TO_REGION_CODE.get(int(country_code), ("001",))[0]
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(country_code), region)
    general = metadata and metadata.general_desc
    if metadata is None or general is None or not general.national_number_pattern:
        return None
    return Country(
        number=f"^(?:{general.national_number_pattern})$",
        lengths=tuple(general.possible_length),
        trunk_prefix=f"^(?:{metadata.national_prefix_for_parsing})" if metadata.national_prefix_for_parsing else None,
        # Groups are ${1} in Polars.
        replacement=(metadata.national_prefix_transform_rule or "").replace("\\1", "${1}").replace("\\2", "${2}"),
        international_prefix=re.sub(r"\((?!\?)", "(?:", metadata.international_prefix or "00"),
    )


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """Notation of telephone numbers of a source.

    Attributes:
        country_code: E.164 country code of national numbers, digits only; None when unknown.
        national_prefix: trunk prefix of national numbers, such as 0; "" when there is none; None for that of the
            country.
        international_prefix: regular expression of the prefix that replaces ``+``; the country's own is also accepted.
        tech_prefix: prefix of the carrier, which is removed first; "" for none.
        bare_international: whether numbers without a prefix that begin with the country code are international.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    country_code: str | None = None
    national_prefix: str | None = None
    international_prefix: str = "0{2,3}"
    tech_prefix: str = ""
    bare_international: bool = True


def e164(text: pl.Expr, plan: NumberPlan) -> pl.Expr:
    """Converts texts to E.164: ``+`` and 8 to 15 digits; null for extensions, names, service codes, withheld numbers.

    Args:
        text: number as delivered; of ``sip:user@host`` and ``user@host`` only the user part is used.
        plan: notation of the numbers.
    """
    return text.map_batches(lambda numbers: _e164(numbers, plan), return_dtype=pl.String, is_elementwise=True)


def _e164(numbers: pl.Series, plan: NumberPlan) -> pl.Series:
    """Runs in steps on series: one large expression would compute each step again for every use of its result."""
    name = numbers.name
    others = (~numbers.str.contains(_DIGITS)).fill_null(value=False).arg_true()
    digits = numbers if others.is_empty() else numbers.scatter(others, _digits_of(numbers.gather(others)))
    frame = digits.alias("digits").to_frame()
    cut = pl.col("digits")
    if plan.tech_prefix:
        frame = frame.with_columns(cut.str.strip_prefix(plan.tech_prefix))
    international = frame.select(
        cut.str.extract(rf"^(?:\+|{plan.international_prefix})([1-9][0-9]{{7,14}})$", 1)
    ).to_series()
    if plan.country_code:
        # Most numbers are international. The slower patterns of the country only run on the others.
        rest = (international.is_null() & frame["digits"].is_not_null()).arg_true()
        if not rest.is_empty():
            readings = _national(cut, plan, plan.country_code)
            international = international.scatter(rest, frame[rest].select(pl.coalesce(readings)).to_series())
    number = pl.col("number")
    result = international.alias("number").to_frame()
    return result.select(pl.when(number.str.contains(_E164)).then(pl.lit("+") + number)).to_series().alias(name)


def _digits_of(texts: pl.Series) -> pl.Series:
    """Removes all other characters except digits and a leading ``+``; null for an IP address."""
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
    """Possible readings with the country code, most certain first."""
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
        # Numbers of the North American plan have ten digits and do not need a trunk prefix.
        readings.append(code + digits.str.extract(r"^([2-9][0-9]{9})$", 1))
    return readings


def _significant(digits: pl.Expr, country: Country) -> pl.Expr:
    """The national number without its trunk prefix; null when it is not valid in the country.

    As in libphonenumber, a prefix that is part of a valid number is kept: 06 12345678 is a number in Rome.
    """
    valid = pl.when(country.has(digits)).then(digits)
    if country.trunk_prefix is None:
        return valid
    without = digits.str.replace(country.trunk_prefix, "")
    if country.replacement:
        # The replacement contains the last group of the prefix. If that group is not part of the match, the
        # prefix is only removed.
        group = digits.str.extract(country.trunk_prefix, re.compile(country.trunk_prefix).groups)
        replaced = digits.str.replace(country.trunk_prefix, country.replacement)
        without = pl.when(group.is_null()).then(without).otherwise(replaced)
    stripped = pl.when(digits.str.contains(country.trunk_prefix) & country.has(without)).then(without)
    return pl.coalesce(stripped, valid)
