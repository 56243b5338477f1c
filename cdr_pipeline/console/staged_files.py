"""Files that were sent to the console and wait for the person's second click, in a folder of this machine."""

import json
import re
import secrets
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

_PREFIX: Final = "cdr_console_"
_NAME: Final = re.compile(r"[0-9a-f]{64}")
_SAFE: Final = re.compile(r"[^\w. ()+-]+")
_LONGEST_NAME: Final = 120
_KEPT_SECONDS: Final = 24 * 3_600
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A staged file and what the person chose for it.

    Attributes:
        key: unguessable name of its folder.
        user_id: user who sent it; no other user can use it.
        account_id, profile: account and profile of the import.
        file_name: name of the file, without folders.
    """

    key: str
    user_id: str
    account_id: str
    profile: str
    file_name: str

    @property
    def path(self) -> Path:
        """The file on this machine."""
        return _folder(self.key) / "file" / self.file_name


def stage(content: BinaryIO, *, user_id: str, account_id: str, profile: str, file_name: str) -> StagedFile:
    """Stores a file; files that were forgotten for a day are removed first."""
    _forget_old()
    safe = _SAFE.sub("_", Path(file_name.replace("\\", "/")).name).strip(" .")[-_LONGEST_NAME:] or "file"
    staged = StagedFile(secrets.token_hex(32), user_id, account_id, profile, safe)
    folder = _folder(staged.key)
    folder.mkdir(mode=0o700)
    staged.path.parent.mkdir(mode=0o700)
    with staged.path.open("xb") as file:
        shutil.copyfileobj(content, file, _CHUNK)
    (folder / "choice.json").write_text(json.dumps(asdict(staged)), encoding="utf-8")
    return staged


def with_profile(staged: StagedFile, profile: str) -> StagedFile:
    """The staged file with another profile."""
    changed = replace(staged, profile=profile)
    (_folder(staged.key) / "choice.json").write_text(json.dumps(asdict(changed)), encoding="utf-8")
    return changed


def find_staged(key: str, user_id: str) -> StagedFile | None:
    """The staged file of a key, if this user sent it."""
    if not _NAME.fullmatch(key):
        return None
    try:
        staged = StagedFile(**json.loads((_folder(key) / "choice.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    return staged if staged.user_id == user_id else None


def forget(staged: StagedFile) -> None:
    """Removes a staged file."""
    shutil.rmtree(_folder(staged.key), ignore_errors=True)


def _folder(key: str) -> Path:
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{key}"


def _forget_old() -> None:
    before = time.time() - _KEPT_SECONDS
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)
        except FileNotFoundError:
            continue
