"""Commands and programs of tests, each in a process of its own, forked from one that has imported the product already.

A forked command starts in milliseconds, so that many can run at once and be killed at any moment. Run as a program,
this module is the parent of those processes: it reads one JSON request a line and reports pids and exit codes.
"""

import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

_TAKE_IN = "take-in"
_SCRIPT = "script"
# Exit code of an import that is done, and of which some rows were rejected.
ROWS_REJECTED = 13
_LEFT_TO_A_PERSON = 11
_PROGRAM = "program"
_SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}


@dataclass(slots=True)
class Command:
    """One command, running or ended.

    Attributes:
        number: identifies it among the commands of its parent.
        arguments: of ``cdr-pipeline``.
        output: file that standard output and standard error go to.
        pid: process, 0 until the parent reports it.
        code: exit code, negative for a signal; None while it runs.
    """

    number: int
    arguments: tuple[str, ...]
    output: Path
    pid: int = 0
    code: int | None = None

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text("utf-8", errors="replace") if self.output.exists() else ""


class CommandRunner:
    """Starts commands and collects how they end.

    Args:
        folder: outputs of the commands go here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._commands: dict[int, Command] = {}
        self._reports = queue.SimpleQueue[dict[str, Any]]()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CDR_")}
        self._parent = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=environment | _SINGLE_THREADED,
            text=True,
        )
        threading.Thread(target=self._read, name="command-reports", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ends the parent, which kills the commands that still run."""
        _pipe(self._parent.stdin).close()
        self._parent.wait(60)
        _pipe(self._parent.stdout).close()

    def start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Command:
        """Starts ``cdr-pipeline`` with these arguments.

        ``take-in`` takes in and loads the drop folder; ``script`` runs a JSON list of commands up to the first that
        fails.
        """
        number = len(self._commands) + 1
        command = Command(number, tuple(arguments), self.folder / f"command-{number}.txt")
        self._commands[number] = command
        request = {"number": number, "arguments": list(arguments), "environment": dict(environment)}
        _pipe(self._parent.stdin).write(json.dumps(request | {"output": str(command.output)}) + "\n")
        _pipe(self._parent.stdin).flush()
        return command

    def start_program(self, program: Path, *arguments: str) -> Command:
        """Starts a Python file with these arguments."""
        return self.start((_PROGRAM, str(program), *arguments), {})

    def wait(self, command: Command, seconds: float = 120) -> int:
        """Waits for the end of a command and returns its exit code."""
        deadline = time.monotonic() + seconds
        while command.code is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"still running: {command.arguments}\n{command.text[-2000:]}")
            self.update(0.1)
        return command.code

    def update(self, timeout: float) -> None:
        """Waits for the next report, at most so many seconds, and takes in all that have come."""
        try:
            report = self._reports.get(timeout=timeout)
            while True:
                command = self._commands[report["number"]]
                command.pid, command.code = report.get("pid", command.pid), report.get("code")
                report = self._reports.get_nowait()
        except queue.Empty:
            if self._parent.poll() is not None:
                raise RuntimeError("the parent of all commands has ended") from None

    def _read(self) -> None:
        for line in _pipe(self._parent.stdout):
            self._reports.put(json.loads(line))


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise RuntimeError("not opened as a pipe")
    return stream


def _serve() -> None:
    """Forks a process for each request; ends, and kills what is left, when standard input ends."""
    from cdr_pipeline.cli import app  # noqa: PLC0415 - only the parent of commands needs the program
    from cdr_pipeline.cli.registry import register  # noqa: PLC0415

    register(app)
    _import_steps()
    running: dict[int, int] = {}
    requests = sys.stdin.fileno()
    waiting = b""
    try:
        while True:
            if select.select([requests], [], [], 0.01 if running else None)[0]:
                received = os.read(requests, 65_536)
                if not received:
                    return
                *lines, waiting = (waiting + received).split(b"\n")
                for line in lines:
                    request = json.loads(line)
                    pid = os.fork()
                    if pid == 0:
                        _run(request)
                    running[pid] = request["number"]
                    _report(number=request["number"], pid=pid)
            _reap(running)
    finally:
        for pid in running:
            os.kill(pid, 9)


def _reap(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        if pid in running:
            _report(number=running.pop(pid), pid=pid, code=os.waitstatus_to_exitcode(status))


def _report(**values: int) -> None:
    os.write(1, (json.dumps(values) + "\n").encode())


def _import_steps() -> None:
    """Imports what commands would import when they run."""
    import importlib  # noqa: PLC0415
    import pkgutil  # noqa: PLC0415

    importlib.import_module("alembic.command")
    for package in ("cdr_pipeline.steps", "cdr_pipeline.warehouse"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(module.name)


def _run(request: dict[str, Any]) -> None:
    """Becomes the command; never returns."""
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(request["environment"])
        code = _exit_code(request["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _exit_code(arguments: list[str]) -> int:
    from cdr_pipeline import cli  # noqa: PLC0415

    if arguments[0] == _SCRIPT:
        commands: list[list[str]] = json.loads(arguments[1])
        return next((code for command in commands if not _is_done(command, code := _exit_code(command))), 0)
    if arguments[0] == _PROGRAM:
        return _program_code(arguments[1:])
    # The commands are registered once, in the parent.
    cli.registry.register = lambda *_: None  # type: ignore[attr-defined]
    if arguments == [_TAKE_IN]:
        cli.app = _take_in_and_load
    sys.argv = ["cdr-pipeline", *arguments]
    return _code_of(cli.main)


def _is_done(command: list[str], code: int) -> bool:
    """Whether it did all its work: an import may reject rows, and a night may leave something to a person."""
    return code in (0, ROWS_REJECTED) or (command[0] == "nightly" and code == _LEFT_TO_A_PERSON)


def _program_code(arguments: list[str]) -> int:
    import runpy  # noqa: PLC0415

    sys.argv = arguments
    return _code_of(lambda: runpy.run_path(arguments[0], run_name="__main__"))


def _code_of(run: Callable[[], object]) -> int:
    """Exit code, as of an interpreter that runs this."""
    import traceback  # noqa: PLC0415

    try:
        run()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does with what nothing catches
        traceback.print_exc()
        return 1
    return 0


def _take_in_and_load() -> None:
    """What a night does with the drop folder."""
    from cdr_pipeline.cli.terminal import run_context  # noqa: PLC0415
    from cdr_pipeline.errors import IncompleteNight  # noqa: PLC0415
    from cdr_pipeline.steps.uploads.load_uploads import load_uploads  # noqa: PLC0415
    from cdr_pipeline.steps.uploads.register_uploads import register_dropped_files  # noqa: PLC0415

    with run_context("taking in") as ctx:
        taken, loaded = register_dropped_files(ctx), load_uploads(ctx)
    wrong = [*(item.code for item in taken.refused), *(item.code for item in (*loaded.failures, *loaded.held))]
    if wrong:
        raise IncompleteNight(f"not taken in or not loaded: {', '.join(wrong)}")


if __name__ == "__main__":
    _serve()
