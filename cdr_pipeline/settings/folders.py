"""Folders of the installation."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

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


def _require_folder(value: object) -> object:
    """Rejects a URL, which would name a local folder ``s3:``."""
    if isinstance(value, str) and "://" in value:
        raise ValueError("must be a folder; data in an object store is not supported")
    return value


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
DataFolder = Annotated[Path, BeforeValidator(_require_folder), AfterValidator(_absolute)]
