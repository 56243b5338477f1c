"""A large file is flushed while it is written; a failed flush fails the file."""

import errno
import os
import threading
from pathlib import Path

import pytest

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import new_file
from cdr_pipeline.files import write_behind

CONTENT = b"line\r\n" * 1_000


@pytest.fixture(autouse=True)
def flushed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushes begin after few bytes."""
    monkeypatch.setattr(write_behind, "_STEP", 100)


def fail(_handle: int) -> None:
    """A flush on a disk that is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_that_is_flushed_meanwhile_has_all_its_bytes(tmp_path: Path) -> None:
    target = tmp_path / "file.csv"
    with new_file(target) as writing:
        for _ in range(50):
            writing.write(CONTENT)
        writing.place()
    assert target.read_bytes() == CONTENT * 50
    assert [thread.name for thread in threading.enumerate() if "write_behind" in thread.name] == []


def test_a_flush_that_fails_in_between_fails_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file.csv"
    target.write_bytes(b"before")
    with pytest.raises(ExportError, match="No space left"):
        write_on_a_full_disk(target, monkeypatch)
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]
    assert [thread.name for thread in threading.enumerate() if "write_behind" in thread.name] == []


def write_on_a_full_disk(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the flush in between fails: the system reports an error once, so the flush at the end succeeds."""
    with new_file(target) as writing:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fail)
            writing.write(CONTENT)
            flush = writing._behind._flush  # pyright: ignore[reportPrivateUsage]
            assert flush is not None
            assert isinstance(flush.exception(timeout=10), OSError)
        writing.place()


def test_a_file_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        give_up(tmp_path / "file.csv")
    assert list(tmp_path.iterdir()) == []
    assert [thread.name for thread in threading.enumerate() if "write_behind" in thread.name] == []


def give_up(target: Path) -> None:
    """An error after some bytes, while they are flushed."""
    with new_file(target) as writing:
        writing.write(CONTENT)
        raise KeyError
