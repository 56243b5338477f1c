"""Settings files of tables that can hold secrets, such as targets.toml and inbound.toml."""

import re
import tomllib
from pathlib import Path
from typing import Any

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.files.store import StorePath


def read_tables(file: Path) -> dict[str, Any]:
    """The tables of a file; none if the file is missing.

    Raises:
        ConfigurationError: the file cannot be read, or is not TOML in UTF-8.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{file.name} cannot be read: {error.strerror}") from None
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file.name} is not a TOML file", hint=_position_hint(error)) from None


def path_from(folder: Path, path: Path, owner: str, file_name: str) -> Path:
    """Absolute form of a path in a file; relative paths start at the file's folder.

    Args:
        folder: folder of the file.
        path: the path in it.
        owner: what the path belongs to, such as ``target finance``, for the error.
        file_name: name of the file, for the error.

    Raises:
        ConfigurationError: the path is relative, and the file is in an object store.
    """
    if isinstance(folder, StorePath) and not path.is_absolute():
        raise ConfigurationError(
            f"{owner}: {path} must be an absolute path, because {file_name} is in an object store",
            hint="write the absolute path of the file on this machine",
        )
    return path if path.is_absolute() else folder / path


def _position_hint(error: Exception) -> str:
    """Hint with line and column, without the text, which may be a secret."""
    match = re.search(r"line \d+, column \d+", str(error))
    return f"see {match[0]}" if match else "save it as UTF-8"
