"""Folders of the installation."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from cdr_pipeline.files.store import parse_url

_PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = _PACKAGE.parent


def bundled(name: str) -> Path:
    """Path of a file or folder that ships with the code: next to the package in a checkout, inside it in a wheel."""
    packaged = _PACKAGE / "_bundled" / name
    return packaged if packaged.exists() else _CHECKOUT / name


def home() -> Path:
    """Default parent of run-time folders: the checkout, or the working directory if installed from a wheel."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else Path.cwd()


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _folder_or_url(value: object) -> object:
    """Reads a URL of an object store as a path of the store."""
    return parse_url(value) if isinstance(value, str) and "://" in value else value


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
DataFolder = Annotated[Path, BeforeValidator(_folder_or_url), AfterValidator(_absolute)]
