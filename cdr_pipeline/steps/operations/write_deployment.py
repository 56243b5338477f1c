"""Writes what a production set-up needs: Dagster's instance, executors, systemd units, a container file."""

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.files.durable import PRIVATE_FILE, write_file

_PLACE: Final = re.compile(r"@([A-Z]+)@")
# What may stand in a unit file and a YAML file without quotes.
# Holds keys and passwords once it is filled in; the other files have none.
_SECRETS: Final = "cdr.env"
_READABLE: Final = 0o644
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """Where the files go, and the places that they name.

    Attributes:
        folder: where they are written; made when missing.
        user: who runs the services.
        home: the services' folder: Dagster's home, landing, exports.
        config: where the files are going to lie when the services run.
        venv: the virtual environment with the programs.
        overwrite: whether files that are there already, with other content, are replaced.
    """

    folder: Path
    user: str
    home: str
    config: str
    venv: str
    overwrite: bool = False


def write_deployment(request: DeploymentRequest) -> tuple[Path, ...]:
    """The files that were written, or were there just so, in the order of their names.

    Nothing is written when any file would be changed without ``overwrite``.

    Raises:
        ConfigurationError: a place has characters that the files cannot hold, or a file of other content is in the way.
    """
    places = {"USER": request.user, "HOME": request.home, "CONFIG": request.config, "VENV": request.venv}
    for name, place in places.items():
        if not _PLAIN.fullmatch(place):
            raise ConfigurationError(
                f"{name.lower()} {place!r} holds characters that a unit file would have to quote",
                hint="use a path of letters, digits, '_', '.', '-' and '/'",
            )
    wanted = {
        request.folder / name: _PLACE.sub(lambda found: places[found[1]], template.read_text("utf-8"))
        for name, template in sorted(_templates().items())
    }
    changed = [path.name for path, text in wanted.items() if path.exists() and path.read_text("utf-8") != text]
    if changed and not request.overwrite:
        raise ConfigurationError(
            f"there already, with other content: {', '.join(changed)}",
            hint="write into another folder and compare, or replace them with --overwrite",
        )
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text.encode(), mode=PRIVATE_FILE if path.name == _SECRETS else _READABLE)
    return tuple(wanted)


def _templates() -> dict[str, Traversable]:
    """The files that ship with the code, by their path below the folder."""
    found: dict[str, Traversable] = {}
    waiting = [("", files("cdr_pipeline") / "deployment")]
    while waiting:
        prefix, folder = waiting.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                waiting.append((f"{prefix}{entry.name}/", entry))
            else:
                found[f"{prefix}{entry.name}"] = entry
    return found
