"""Patterns of the names of inbound files: ``cdr_{account}_%Y%m%d_{sequence}.csv``.

``*`` matches any characters but a slash, ``?`` one; ``%Y %y %m %d %j %H %M %S`` match parts of a date and time;
``{account}``, ``{profile}`` and ``{sequence}`` are read from the name. A slash separates folders.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

_CODES: Final = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{2}", "d": r"\d{2}", "j": r"\d{3}", "H": r"\d{2}", "M": r"\d{2}",
    "S": r"\d{2}",
}  # fmt: skip
_WORDS: Final = {"account": r"[^/]+?", "profile": r"[^/]+?", "sequence": r"\d+"}
_TOKEN: Final = re.compile(r"%(?P<code>.)|\{(?P<word>[^{}]*)\}|(?P<any>\*)|(?P<one>\?)|(?P<text>[^%{*?]+|.)", re.DOTALL)
_CENTURY: Final = 2000


@dataclass(frozen=True, slots=True)
class MatchedName:
    """What a pattern reads from a name; "" and None where it has no such part."""

    account: str = ""
    profile: str = ""
    sequence: str = ""
    file_date: date | None = None


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern that is ready to match.

    Attributes:
        text: the pattern as it was written.
        expression: the same as a regular expression for the whole path.
        words: names in braces, and codes of a date, that it has.
    """

    text: str
    expression: re.Pattern[str]
    words: frozenset[str]

    @property
    def depth(self) -> int:
        """Number of folders between the place's folder and the file."""
        return self.text.count("/")

    @property
    def has_date(self) -> bool:
        """Whether the pattern reads a whole date."""
        return bool(self.words & {"Y", "y"}) and ({"m", "d"} <= self.words or "j" in self.words)

    def match(self, path: str) -> MatchedName | None:
        """Reads a path below the place's folder; None if it does not match or has an impossible date."""
        found = self.expression.fullmatch(path)
        if found is None:
            return None
        parts = found.groupdict()
        try:
            day = _day(parts) if self.has_date else None
        except (ValueError, OverflowError):
            return None
        return MatchedName(
            parts.get("account") or "", parts.get("profile") or "", parts.get("sequence") or "", file_date=day
        )

    @property
    def last_part(self) -> "NamePattern":
        """Pattern of the name without its folders."""
        return name_pattern(self.text.rpartition("/")[2])


def name_pattern(text: str) -> NamePattern:
    """Reads a pattern.

    Raises:
        ValueError: the pattern is empty or absolute, or has an unknown code or name.
    """
    if not text or text.startswith("/") or ".." in text.split("/") or not text.isprintable():
        raise ValueError("a pattern is a name, with folders below the place's folder at most")
    expression, words = "", list[str]()
    for token in _TOKEN.finditer(text):
        part = token.groupdict()
        if part["any"]:
            expression += "[^/]*"
        elif part["one"]:
            expression += "[^/]"
        elif part["text"]:
            expression += re.escape(part["text"])
        else:
            expression += _group(part["code"], part["word"], words)
    return NamePattern(text, re.compile(expression, re.DOTALL), frozenset(words))


def dated(text: str, day: date) -> str:
    """A text with the codes of a date replaced by a day."""
    return re.sub(r"%[Yymdj]", lambda code: day.strftime(code[0]), text)


def _group(code: str | None, word: str | None, words: list[str]) -> str:
    if code == "%":
        return "%"
    name = code if code is not None else word or ""
    shapes = _CODES if code is not None else _WORDS
    if name not in shapes:
        raise ValueError(
            f"{'%' + name if code is not None else '{' + name + '}'} is unknown; known are "
            f"{' '.join('%' + known for known in _CODES)} {' '.join('{' + known + '}' for known in _WORDS)}"
        )
    if name in words:
        return f"(?P={name})"
    words.append(name)
    return f"(?P<{name}>{shapes[name]})"


def _day(parts: dict[str, str | None]) -> date:
    year = int(parts.get("Y") or _CENTURY + int(parts.get("y") or 0))
    if parts.get("j"):
        day = date(year, 1, 1) + timedelta(days=int(parts["j"] or 0) - 1)
        if day.year != year:
            raise ValueError("no such day of the year")
        return day
    return date(year, int(parts["m"] or 0), int(parts["d"] or 0))
