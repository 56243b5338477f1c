"""Values at paths of JSON documents, such as ``variables.uuid`` and ``callflow.0.destination``."""

from collections.abc import Sequence
from typing import Any, cast


def nested_value(value: object, parts: Sequence[str]) -> object:
    """Value at a path of keys in lower case, and positions in lists from 0; None if there is none."""
    for part in parts:
        if isinstance(value, dict):
            found = cast("dict[str, object]", value)
            value = found[part] if part in found else _folded(found, part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(cast("list[object]", value)):
            value = cast("list[object]", value)[int(part)]
        else:
            return None
    return value


def _folded(found: dict[str, object], part: str) -> object:
    return next((item for key, item in found.items() if key.lower() == part), None)


class PathTree:
    """Reads the values at many paths of a document at once. Paths with the same beginning share its steps.

    Args:
        paths: paths of keys in lower case, and positions in lists.

    Attributes:
        paths: the paths in the order in which ``values`` returns their values.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._leaves = sorted({path for path in paths if "." not in path})
        below: dict[str, list[str]] = {}
        for path in paths:
            first, dot, rest = path.partition(".")
            if dot:
                below.setdefault(first, []).append(rest)
        self._branches = {part: PathTree(rest) for part, rest in sorted(below.items())}
        self.paths = [*self._leaves]
        for part, branch in self._branches.items():
            self.paths += [f"{part}.{path}" for path in branch.paths]
        self._nothing: list[object] = [None] * len(self.paths)
        # Positions in a list, as far as the first step of a path is one.
        self._places = [int(part) if part.isdecimal() else -1 for part in self._leaves]
        self._steps = [(part, int(part) if part.isdecimal() else -1, branch) for part, branch in self._branches.items()]
        self._seen: set[str] = set()
        # Whether a key was seen that equals a part of a path only in lower case.
        self._folds = False

    def values(self, document: object) -> list[object]:
        """Values at the paths; None where the document has none. As ``nested_value`` returns them."""
        found: list[object] = []
        self.collect(document, found)
        return found

    def collect(self, document: Any, into: list[object]) -> None:  # noqa: ANN401 - any JSON
        """Adds what ``values`` returns to a list. Records pass here one by one, so it makes no list of its own."""
        if isinstance(document, dict):
            if not self._seen.issuperset(document):  # type: ignore[reportUnknownArgumentType]
                self._see(document)  # type: ignore[reportUnknownArgumentType]
            if not self._folds:
                get = document.get  # type: ignore[reportUnknownMemberType]
                into += map(get, self._leaves)
                for part, _, branch in self._steps:
                    branch.collect(get(part), into)
                return
            into += [nested_value(document, [part]) for part in self._leaves]
            for part, _, branch in self._steps:
                branch.collect(nested_value(document, [part]), into)
        elif isinstance(document, list):
            length = len(document)  # type: ignore[reportUnknownArgumentType]
            if self._places:
                into += [document[place] if 0 <= place < length else None for place in self._places]
            for _, place, branch in self._steps:
                branch.collect(document[place] if 0 <= place < length else None, into)
        else:
            into += self._nothing

    def _see(self, found: dict[str, object]) -> None:
        self._seen.update(found)
        parts = {*self._leaves, *self._branches}
        self._folds = any(key not in parts and key.lower() in parts for key in self._seen)
