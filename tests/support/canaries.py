"""Looks for what must never leave: tokens anywhere but in the session folder, numbers and names in logs and Dagster."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

TOKENS = (b"simulated-token-", b"CANARY_TOK")
# Numbers of the simulated traffic and of tests, all from ranges reserved for fiction, and one of its names.
PERSONAL = re.compile(rb"\+?1?(?:212|415|555)55501\d\d|\+447700900\d{3}|\+1555010\d{4}|Zo\xc3\xab Example")


def leaks_in(folder: Path) -> list[str]:
    """Files below a folder that hold a token, or personal data where none belongs."""
    found: list[str] = []
    for path in _files(folder):
        content = _content(path)
        place = str(path.relative_to(folder))
        if any(token in content for token in TOKENS):
            found.append(f"{place}: token")
        if "dagster_home" in place and PERSONAL.search(content):
            found.append(f"{place}: personal data")
    return found


def leaks_in_log(text: str) -> list[str]:
    """What a log must not say."""
    raw = text.encode()
    found = ["token" for token in TOKENS if token in raw]
    return found + (["personal data"] if PERSONAL.search(raw) else [])


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and "session" not in path.relative_to(folder).parts:
            yield path


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError):
        return content
