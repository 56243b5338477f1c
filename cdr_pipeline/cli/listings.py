"""Declarations of the lists that commands print, on the screen or as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

ACCOUNT: Final = "account"


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, or one object, that a command prints.

    Attributes:
        key: its name in JSON.
        title: line above it on the screen.
        columns: names in JSON; on the screen, words instead of underscores. A column ``account`` holds account ids and
            is shown with names.
        numbers: columns that are set flush right.
        sentences: columns whose text may be broken into lines.
        titles: headers by column, where the name in JSON is not enough.
        blocks: whether rows are always shown as blocks, because they have commands to copy.
        single: whether JSON has one object or null instead of a list.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    numbers: frozenset[str] = frozenset()
    sentences: frozenset[str] = frozenset()
    titles: Mapping[str, str] | None = None
    blocks: bool = False
    single: bool = False

    def header(self, column: str) -> str:
        """Header of a column on the screen."""
        return (self.titles or {}).get(column, column.replace("_", " "))

    def fields(self) -> list[str]:
        """Names in JSON: an account has an id and a name."""
        return [
            name
            for column in self.columns
            for name in ((f"{column}_id", f"{column}_name") if column == ACCOUNT else (column,))
        ]


def listing(
    key: str,
    title: str,
    *columns: str,
    numbers: Iterable[str] = (),
    sentences: Iterable[str] = (),
    titles: Mapping[str, str] | None = None,
    blocks: bool = False,
    single: bool = False,
) -> Listing:
    """Declares a list; see ``Listing`` for the arguments."""
    return Listing(key, title, columns, frozenset(numbers), frozenset(sentences), titles, blocks=blocks, single=single)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value whose text on the screen is another one, or is coloured.

    Attributes:
        value: value in JSON.
        text: text on the screen; None for that of the value.
        style: style on the screen, such as ``red``.
    """

    value: object
    text: str | None = None
    style: str = ""
