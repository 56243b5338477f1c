"""Languages of the console: texts from gettext catalogues, and how a language writes numbers, amounts and dates.

Files that finance downloads do not depend on the language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from cdr_pipeline.core.charts.composed_text import ComposedText

LANGUAGES: Final = ("en", "de")
_NONE: Final = "\N{EN DASH}"
_DATES: Final = {"en": "EEE d MMM y", "de": "EEE, d. MMM y"}
_SHORT_DATES: Final = {"en": "d MMM", "de": "d.M."}
_TIMES: Final = {"en": "d MMM y HH:mm", "de": "dd.MM.y HH:mm"}


@dataclass(frozen=True, slots=True)
class Language:
    """Texts and formats of one language.

    Attributes:
        code: ``en`` or ``de``.
        texts: translations by English text; empty for English.
    """

    code: str
    texts: Mapping[str, str]

    def text(self, english: str, /, **values: object) -> str:
        """The translation, with ``{name}`` replaced by values."""
        translated = self.texts.get(english) or english
        return translated.format(**values) if values else translated

    def composed(self, text: str) -> str:
        """The translation of a text; of a composed one with its values as the language writes them."""
        if not isinstance(text, ComposedText):
            return self.text(text)
        template = self.texts.get(text.template) or text.template
        return (
            template.format(**{name: self._value(value) for name, value in text.values.items()})
            if text.values
            else template
        )

    def _value(self, value: object) -> str:
        if isinstance(value, ComposedText):
            return self.composed(value)
        if isinstance(value, Decimal):
            return self.amount(value)
        if isinstance(value, int):
            return self.number(value)
        return self.day(value) if isinstance(value, date) else str(value)

    def number(self, value: Decimal | float | None) -> str:
        """A number with separators of thousands; a dash for None."""
        return _NONE if value is None else format_decimal(value, locale=self.code)

    def amount(self, value: Decimal | None, currency: str = "") -> str:
        """An amount with all of its decimals and its currency; a dash for None."""
        if value is None:
            return _NONE
        decimals = max(2, -int(value.normalize().as_tuple().exponent))  # type: ignore[operator]
        text = format_decimal(value, format="#,##0." + "0" * decimals, locale=self.code)
        return f"{text} {currency}" if currency else text

    def day(self, value: date | None) -> str:
        """A date with its weekday; a dash for None."""
        return _NONE if value is None else format_date(value, _DATES[self.code], locale=self.code)

    def month(self, value: date) -> str:
        """A month with its year."""
        return format_date(value, "LLLL y", locale=self.code)

    def short_day(self, value: date) -> str:
        """Day and month for narrow columns."""
        return format_date(value, _SHORT_DATES[self.code], locale=self.code)

    def time(self, value: datetime | None, zone: str) -> str:
        """A time in a time zone; a dash for None."""
        if value is None:
            return _NONE
        return format_datetime(value, _TIMES[self.code], tzinfo=ZoneInfo(zone), locale=self.code)


@cache
def language(code: str) -> Language:
    """The language of a code; English for an unknown code."""
    if code not in LANGUAGES or code == "en":
        return Language("en", {})
    with resources.files("cdr_pipeline.console").joinpath("languages", f"{code}.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    return Language(code, {str(item.id): str(item.string) for item in catalog if item.id and item.string})


def preferred_language(accept_language: str) -> Language:
    """The language that a browser prefers among ours."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        wanted.append((-weight, tag.split("-")[0].lower()))
    return language(next((code for _, code in sorted(wanted, key=lambda item: item[0]) if code in LANGUAGES), "en"))
