"""What commands print and return for wrong arguments and folders: a code, a hint, never a traceback."""

import errno
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import pytest
from dagster import DagsterExecutionInterruptedError

from cdr_pipeline import cli
from cdr_pipeline.__main__ import interrupt_again
from cdr_pipeline.settings import load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unconfigured data folder that does not exist yet."""
    monkeypatch.setenv("CDR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    for name in ("CDR_WAREHOUSE_URL", "CDR_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "data"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["cdr-pipeline", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_doctor_on_an_empty_folder_says_what_to_do_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    assert run(monkeypatch, "doctor") == 2
    shown = capsys.readouterr().err
    assert "nothing is set up" in shown
    assert "cdr-pipeline demo" in shown
    assert not empty_folder.exists()


@pytest.mark.parametrize(("command", "option"), [("serve", "--port"), ("simulate", "--port"), ("up", "--api-port")])
def test_a_taken_port_is_named_with_its_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    others = ("--port", "0") if command == "up" else ()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(monkeypatch, command, *others, option, port) == 2
    shown = capsys.readouterr().err
    assert f"127.0.0.1:{port} cannot be listened on" in shown
    assert f"with {option}" in shown


def test_importing_a_folder_is_a_wrong_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "import", ".", "--account", "acct", "--profile", "generic") == 2
    assert "is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("status",), ("days", "list"), ("breaks", "list")])
def test_a_reversed_range_is_a_wrong_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run(monkeypatch, *command, "--from", "2026-03-05", "--to", "2026-03-01") == 2
    assert "--from 2026-03-05 is after --to 2026-03-01" in capsys.readouterr().err


def test_an_unknown_date_word_names_the_words_that_are_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "nightly", "--date", "tomorrowish") == 2
    assert "yesterday" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "back"), [("today", 0), ("yesterday", 1), ("-1", 1), ("-3", 3)])
def test_a_date_may_be_relative_to_today(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, back: int
) -> None:
    day = datetime.now(ZoneInfo(load_settings().time_zone)).date() - timedelta(days=back)
    assert run(monkeypatch, "status", "--from", word, "--to", "2026-01-01") == 2
    assert f"--from {day} is after" in capsys.readouterr().err


def test_one_day_and_a_range_of_days_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["status"], ["days", "list"], ["breaks", "list"]):
        assert run(monkeypatch, *command, "--date", "yesterday", "--to", "yesterday") == 2
        assert "--date is one day" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> NoReturn:
        raise OSError(errno.EROFS, "Read-only file system", "exports")

    monkeypatch.setattr(cli, "app", refuse)
    monkeypatch.setattr("cdr_pipeline.cli.registry.register", lambda *_: None)
    assert run(monkeypatch, "status") == 2
    shown = capsys.readouterr().err
    assert "cannot write exports: Read-only file system" in shown
    assert "CDR_DATA_DIR" in shown


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit(130)])
def test_ctrl_c_exits_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stop: BaseException | type[BaseException]
) -> None:
    def interrupted() -> NoReturn:
        raise stop

    monkeypatch.setattr(cli, "app", interrupted)
    monkeypatch.setattr("cdr_pipeline.cli.registry.register", lambda *_: None)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    assert run(monkeypatch, "status") == 130
    shown = capsys.readouterr().err
    assert "nothing is half done" in shown
    assert "Traceback" not in shown


def test_ctrl_c_during_the_start_ends_without_a_traceback() -> None:
    program = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
signal.signal(signal.SIGINT, signal.default_int_handler)
from cdr_pipeline.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("error", [KeyboardInterrupt, DagsterExecutionInterruptedError])
def test_ctrl_c_that_a_destructor_swallows_is_sent_again(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    class Interrupted:
        def __del__(self) -> None:
            raise error

    received = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: received.set())
    try:
        monkeypatch.setattr(sys, "unraisablehook", interrupt_again)
        thing = Interrupted()
        del thing
        assert received.wait(60)
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_program_starts_where_ctrl_c_is_handled() -> None:
    project = tomllib.loads((Path(cli.__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"cdr-pipeline": "cdr_pipeline.__main__:main"}
