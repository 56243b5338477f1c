"""The notations of one telephone number, as a pattern for erasure requests."""

import re
from typing import Final

from cdr_pipeline.errors import ConfigurationError

_E164: Final = re.compile(r"\+([1-9][0-9]{7,14})")
# Shorter national numbers are not searched for: their digits occur too often by chance.
_SHORTEST_NATIONAL: Final = 7
# Characters between digits, with those around a trunk prefix in brackets.
_BETWEEN: Final = r"[ ()./-]*"


def number_pattern(number: str, country_code: str | None) -> str:
    """PostgreSQL regular expression that matches a whole telephone number in a text, in any common notation.

    It matches the E.164 form with or without ``+``, also after 00, 000 or 011. It matches the national form, with or
    without trunk prefix, when the number is of the account's country or the account's country is unknown.

    Args:
        number: number in E.164 with ``+``; spaces, dots, hyphens, slashes and brackets are ignored.
        country_code: E.164 country code of the account's national numbers, digits only; None when unknown.

    Raises:
        ConfigurationError: ``number`` is not an E.164 number. Extensions cannot be erased: they do not identify one
            person.
    """
    match = _E164.fullmatch(re.sub(r"[ ()./-]", "", number))
    if not match:
        raise ConfigurationError(
            "the number to erase is not an international number",
            hint="write the number with + and country code, such as +49 30 123456",
        )
    digits = match[1]
    notations = [rf"(?:000?{_BETWEEN}|011{_BETWEEN})?{_spaced(digits)}"]
    for code in [country_code] if country_code else [digits[:length] for length in (1, 2, 3)]:
        national = digits.removeprefix(code)
        if digits.startswith(code) and len(national) >= _SHORTEST_NATIONAL:
            notations.append(rf"(?:(?:000?|011)?{_BETWEEN}{_spaced(code)}{_BETWEEN})?0?{_BETWEEN}{_spaced(national)}")
    return rf"(?:^|[^0-9])(?:{'|'.join(notations)})(?:$|[^0-9])"


def _spaced(digits: str) -> str:
    return _BETWEEN.join(digits)
