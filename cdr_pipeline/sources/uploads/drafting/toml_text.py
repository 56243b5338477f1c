"""Values and keys as TOML."""

import re
from typing import Any

import orjson


def quoted(text: str) -> str:
    """A text as a string of TOML."""
    return orjson.dumps(text).decode()


def toml_key(name: str) -> str:
    """A name as a key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def toml_value(value: Any) -> str:  # noqa: ANN401 - any value of TOML
    """A value of TOML: text, number, truth value or list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"  # type: ignore[reportUnknownVariableType]
    return quoted(value) if isinstance(value, str) else str(value)
