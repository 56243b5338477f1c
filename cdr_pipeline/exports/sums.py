"""``SHA256SUMS`` of a folder: what ``sha256sum --check`` of any Unix verifies."""

import re
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import beside

NAME: Final = "SHA256SUMS"
_LINE: Final = re.compile(r"([0-9a-f]{64})  (.+)")


def read_sums(folder: Path) -> dict[str, str]:
    """Hash by file name; lines of another form are left out, a folder without the list has none."""
    try:
        text = (folder / NAME).read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{NAME} cannot be read: {type(error).__name__}") from None
    return {found[2]: found[1] for line in text.splitlines() if (found := _LINE.fullmatch(line))}


def add_sum(file: Path, sha256: str) -> None:
    """Enters a file that has just been placed. The caller is the sole writer.

    An entry whose file is missing stays: ``sha256sum --check`` must name what is lost.

    Raises:
        ExportError: the list cannot be written.
    """
    folder = file.parent
    known = read_sums(folder)
    kept = known | {file.name: sha256}
    if kept == known:
        return
    with beside(folder / NAME) as writing:
        writing.write("".join(f"{digest}  {name}\n" for name, digest in sorted(kept.items())).encode())
        writing.place()
