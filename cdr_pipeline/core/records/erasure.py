"""How one number may be written: what an erasure looks for in records."""

import re
from typing import Final

from cdr_pipeline.errors import ConfigurationError

_E164: Final = re.compile(r"\+([1-9][0-9]{7,14})")
# National numbers shorter than this are too common a row of digits to be taken for one.
_SHORTEST_NATIONAL: Final = 7
# What people and switches put between digits, the trunk prefix in brackets included.
_BETWEEN: Final = r"[ ()./-]*"


def number_pattern(number: str, country_code: str | None) -> str:
    """Regular expression, for PostgreSQL, of a number in a text: whole, in any common notation.

    Found are the E.164 form with or without ``+``, behind 00, 000 or 011, and the national form with or without trunk
    prefix where the country is the account's, or the account's is unknown.

    Args:
        number: E.164 form with ``+``; spaces, dots, hyphens and brackets are ignored.
        country_code: of the account's national numbers, if known.

    Raises:
        ConfigurationError: it is no E.164 number. An extension is everybody's, so it cannot be erased.
    """
    found = _E164.fullmatch(re.sub(r"[ ()./-]", "", number))
    if not found:
        raise ConfigurationError(
            "what is to be erased is no international number",
            hint="write it with + and country code, such as +49 30 123456",
        )
    digits = found[1]
    ways = [rf"(?:000?{_BETWEEN}|011{_BETWEEN})?{_spaced(digits)}"]
    for code in [country_code] if country_code else [digits[:length] for length in (1, 2, 3)]:
        national = digits.removeprefix(code)
        if digits.startswith(code) and len(national) >= _SHORTEST_NATIONAL:
            ways.append(rf"(?:(?:000?|011)?{_BETWEEN}{_spaced(code)}{_BETWEEN})?0?{_BETWEEN}{_spaced(national)}")
    return rf"(?:^|[^0-9])(?:{'|'.join(ways)})(?:$|[^0-9])"


def _spaced(digits: str) -> str:
    return _BETWEEN.join(digits)
