"""Local temporary files of this process: files on their way to and from an object store, and request bodies.

Each process has a folder of its own in the system's temporary folder (``TMPDIR``) and holds its lock. Folders of
processes that died are deleted when another process makes its folder, so that the disk does not fill up.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Final

_PREFIX: Final = "cdr_pipeline-"
_LOCK: Final = threading.Lock()


class _Spool:
    """Folder of this process; ``pid`` tells a forked process that it needs its own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        parent = Path(tempfile.gettempdir()) / f"{_PREFIX}{os.getuid()}"
        parent.mkdir(mode=0o700, exist_ok=True)
        # Another user could have made the folder first, to read what is written into it.
        if parent.is_symlink() or parent.stat().st_uid != os.getuid():
            raise PermissionError(f"{parent} belongs to another user")
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.pid}-", dir=parent))
        self._handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        atexit.register(self._delete)
        for other in parent.iterdir():
            if other != self.folder:
                _delete_if_dead(other)

    def _delete(self) -> None:
        if os.getpid() == self.pid:
            shutil.rmtree(self.folder, ignore_errors=True)


_spools: list[_Spool] = []


def spool_folder() -> Path:
    """Private local folder of this process; the files in it belong to the caller that made them."""
    with _LOCK:
        if not _spools or _spools[-1].pid != os.getpid() or not _spools[-1].folder.is_dir():
            _spools[:] = [_Spool()]
        return _spools[-1].folder


def new_spool_file(name: str) -> Path:
    """Path of a new empty private file whose name ends with ``name``."""
    handle, path = tempfile.mkstemp(suffix=f"-{name[-100:]}", dir=spool_folder())
    os.close(handle)
    return Path(path)


def _delete_if_dead(folder: Path) -> None:
    """Deletes the folder of another process if that process no longer holds the folder's lock."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
