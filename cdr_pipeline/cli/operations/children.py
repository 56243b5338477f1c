"""Child processes that live and die together: prefixed output, started again, ended with their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Final, Protocol

# A child that falls more often than this within the time is beyond help.
_FALLS: Final = 5
_WITHIN_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 20.0
_PR_SET_PDEATHSIG: Final = 1

Say = Callable[[str, str], None]


class Fell(Protocol):
    """Is called when a child has ended by itself, with its exit code and whether it is given up."""

    def __call__(self, name: str, code: int, *, given_up: bool) -> None:
        """Takes note of it; must not wait."""
        ...


def _unnoted(name: str, code: int, *, given_up: bool) -> None:
    del name, code, given_up


@dataclass(slots=True)
class Child:
    """One program.

    Attributes:
        name: what its lines are prefixed with.
        command: how it is started.
        opens: a socket that it makes when it is ready; those after it are started then, not before.
        process: while it runs.
        reader: relays its lines.
        falls: when it ended by itself, on the monotonic clock.
    """

    name: str
    command: Sequence[str]
    opens: Path | None = None
    process: "subprocess.Popen[str] | None" = None
    reader: threading.Thread | None = None
    falls: list[float] = field(default_factory=list[float])


class Children:
    """Runs several programs until a signal comes or one of them cannot be kept running."""

    def __init__(
        self, children: Sequence[Child], environment: Mapping[str, str], say: Say, fell: Fell = _unnoted
    ) -> None:
        self._fell = fell
        self._children = children
        self._environment = environment
        self._say = say
        self._stopping = threading.Event()

    def run(self) -> bool:
        """Returns True after SIGINT or SIGTERM, False when a child fell too often; no child is left either way."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for child in self._children:
                self._start(child)
                self._await(child)
            while not self._stopping.wait(0.2):
                if not all(self._keep(child) for child in self._children):
                    return False
            return True
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stopping.set()

    def _start(self, child: Child) -> None:
        # A session of its own: Ctrl-C reaches this process alone, which ends the children in order, and a child's own
        # children are ended with it.
        child.process = subprocess.Popen(
            child.command,
            env=dict(self._environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - before any thread
        )
        child.reader = threading.Thread(target=self._relay, args=(child.name, child.process.stdout), daemon=True)
        child.reader.start()

    def _await(self, child: Child) -> None:
        while child.opens is not None and not child.opens.exists() and not self._stopping.wait(0.1):
            if not self._keep(child):
                self._stopping.set()

    def _relay(self, name: str, lines: IO[str] | None) -> None:
        if lines is None:
            return
        with lines:
            for line in lines:
                self._say(name, line.rstrip("\n"))

    def _keep(self, child: Child) -> bool:
        """Starts a child again that has ended; False when it does so all the time."""
        if child.process is None or child.process.poll() is None:
            return True
        now = time.monotonic()
        child.falls = [fall for fall in child.falls if now - fall < _WITHIN_SECONDS] + [now]
        _kill_group(child.process.pid, signal.SIGKILL)
        given_up = len(child.falls) > _FALLS
        self._fell(child.name, child.process.returncode, given_up=given_up)
        if given_up:
            self._say(child.name, f"ended {len(child.falls)} times in a row: giving up")
            return False
        self._say(child.name, f"ended with code {child.process.returncode}: starting it again")
        self._stopping.wait(min(2.0 ** len(child.falls) / 4, 10))
        if not self._stopping.is_set():
            self._start(child)
        return True

    def _end(self) -> None:
        """Asks every group to end, the last started first, waits, and kills what is left."""
        running = [child.process for child in reversed(self._children) if child.process is not None]
        for process in running:
            _kill_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say("up", f"process {process.pid} does not end by itself: killing it")
            # Also what a child has left behind in its group.
            _kill_group(process.pid, signal.SIGKILL)
            process.wait()
        for child in self._children:
            if child.reader is not None:
                child.reader.join(2)


def _die_with_parent() -> None:
    """Has the kernel end the child when its parent is gone, in any way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
