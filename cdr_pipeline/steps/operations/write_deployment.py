"""Writes the files of a production set-up: Dagster instance, executors, systemd units, container file."""

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.files.durable import PRIVATE_FILE, write_file

_PLACE: Final = re.compile(r"@([A-Z]+)@")
# Contains keys and passwords once it is filled in; the other files do not.
_SECRETS: Final = "cdr.env"
_READABLE: Final = 0o644
# Characters that need no quotes in unit files and YAML files.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """Target folder, and the paths that the files contain.

    Attributes:
        folder: folder to write to; created when missing.
        user: system user that runs the services.
        home: data folder of the services: Dagster home, landing, exports.
        config: folder of these files on the production machine.
        venv: path of the virtual environment.
        overwrite: whether to replace existing files with other content.
    """

    folder: Path
    user: str
    home: str
    config: str
    venv: str
    overwrite: bool = False


def write_deployment(request: DeploymentRequest) -> tuple[Path, ...]:
    """Writes the files. Returns their paths in the order of their names.

    Writes nothing if a file exists with other content and ``overwrite`` is false.

    Raises:
        ConfigurationError: a path needs quotes, or a file exists with other content.
    """
    places = {"USER": request.user, "HOME": request.home, "CONFIG": request.config, "VENV": request.venv}
    for name, place in places.items():
        if not _PLAIN.fullmatch(place):
            raise ConfigurationError(
                f"{name.lower()} {place!r} holds characters that a unit file would have to quote",
                hint="use a path of letters, digits, '_', '.', '-' and '/'",
            )
    wanted = {
        request.folder / name: _PLACE.sub(lambda match: places[match[1]], template.read_text("utf-8"))
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
    """Templates in the package, by their path below the target folder."""
    templates: dict[str, Traversable] = {}
    waiting = [("", files("cdr_pipeline") / "deployment")]
    while waiting:
        prefix, folder = waiting.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                waiting.append((f"{prefix}{entry.name}/", entry))
            else:
                templates[f"{prefix}{entry.name}"] = entry
    return templates
