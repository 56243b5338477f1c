"""``SHA256SUMS`` of a folder, in the format of ``sha256sum --check``."""

import re
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import new_file

NAME: Final = "SHA256SUMS"
_LINE: Final = re.compile(r"([0-9a-f]{64})  (.+)")


def read_sums(folder: Path) -> dict[str, str]:
    """Hashes by file name; lines of another form are ignored. Empty if the folder has no list."""
    try:
        text = (folder / NAME).read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{NAME} cannot be read: {type(error).__name__}") from None
    return {match[2]: match[1] for line in text.splitlines() if (match := _LINE.fullmatch(line))}


def add_sum(file: Path, sha256: str) -> None:
    """Adds a file to the list. The caller must hold the folder's lock.

    Entries of missing files are kept, so that ``sha256sum --check`` reports them.

    Raises:
        ExportError: the list cannot be written.
    """
    folder = file.parent
    listed = read_sums(folder)
    updated = listed | {file.name: sha256}
    if updated == listed:
        return
    with new_file(folder / NAME) as writing:
        writing.write("".join(f"{digest}  {name}\n" for name, digest in sorted(updated.items())).encode())
        writing.place()
