import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.pages import Page
from cdr_pipeline.sources.landing import LandingDamaged, LandingFile, LandingWriter, land_upload, window_path
from cdr_pipeline.sources.upstream import Window

WINDOW = Window(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
NOW = datetime(2026, 3, 3, 2, 30, tzinfo=UTC)


def land(folder: Path, *bodies: bytes) -> Path:
    """One landed window."""
    path = window_path(folder, "acct", WINDOW, NOW)
    with LandingWriter(path, account_id="acct", window=WINDOW, upstream="kazoo", dialect=SwitchDialect.K5) as writer:
        for body in bodies:
            writer.add_detail(body)
    return path


def test_bytes_come_back_untouched_and_in_order(tmp_path: Path) -> None:
    path = land(tmp_path, b"one", b"", b"three \xff")
    assert [reply.body for reply in LandingFile.open(path).replies()] == [b"one", b"", b"three \xff"]


def _half(writer: LandingWriter) -> None:
    writer.add_detail(b"half")
    raise RuntimeError


def test_nothing_is_visible_when_collecting_fails(tmp_path: Path) -> None:
    path = window_path(tmp_path, "acct", WINDOW, NOW)
    with (
        pytest.raises(RuntimeError),
        LandingWriter(path, account_id="acct", window=WINDOW, upstream="kazoo", dialect=SwitchDialect.K5) as writer,
    ):
        _half(writer)
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == []


def _fail_to_pack(*_: object, **__: object) -> bytes:
    raise OSError(errno.ENOSPC, "no space left")


@pytest.mark.parametrize("replies", [1, 20], ids=["the-last-reply", "one-of-many"])
def test_a_reply_that_cannot_be_written_fails_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replies: int
) -> None:
    monkeypatch.setattr("cdr_pipeline.sources.landing.gzip.compress", _fail_to_pack)
    with pytest.raises(OSError, match="no space left"):
        land(tmp_path, *[b"one"] * replies)
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == []


def _page(number: int) -> tuple[bytes, Page]:
    rows = b'[{"id":"r%d"}]' % number
    body = b'{"data":' + rows + b',"request_id":"%d"}' % number
    return body, Page(rows, 1, frozenset({"id"}), None, frozenset())


def _land_pages(folder: Path, numbers: list[int], known_rows: str | None = None) -> LandingWriter:
    path = window_path(folder, "acct", WINDOW, NOW)
    with LandingWriter(
        path, account_id="acct", window=WINDOW, upstream="kazoo", dialect=SwitchDialect.K5, known_rows=known_rows
    ) as writer:
        for number in numbers:
            writer.add_page(*_page(number))
    return writer


@pytest.mark.parametrize("pages", [0, 1, 2, 5])
def test_rows_that_landed_before_leave_no_file(tmp_path: Path, pages: int) -> None:
    numbers = list(range(pages))
    known = _land_pages(tmp_path / "before", numbers).rows_sha256
    again = _land_pages(tmp_path / "again", numbers, known)
    assert again.unchanged
    assert (again.rows, again.rows_sha256) == (pages, known)
    assert [found for found in (tmp_path / "again").rglob("*") if found.is_file()] == []


@pytest.mark.parametrize("pages", [0, 1, 2, 5])
def test_other_rows_land_as_if_none_were_known(tmp_path: Path, pages: int) -> None:
    numbers = list(range(pages))
    fresh = _land_pages(tmp_path / "fresh", numbers)
    changed = _land_pages(tmp_path / "changed", numbers, _land_pages(tmp_path / "before", [9]).rows_sha256)
    assert not changed.unchanged
    assert changed.rows_sha256 == fresh.rows_sha256
    assert changed.path.read_bytes() == fresh.path.read_bytes()
    assert LandingFile.open(changed.path).entries == LandingFile.open(fresh.path).entries
    assert len([found for found in (tmp_path / "changed").rglob("*") if found.is_file()]) == 2


def test_a_window_without_its_index_has_not_landed(tmp_path: Path) -> None:
    path = land(tmp_path, b"one")
    path.with_name(path.name + ".index.json").unlink()
    with pytest.raises(LandingDamaged):
        LandingFile.open(path)


def test_changed_and_cut_bytes_are_found(tmp_path: Path) -> None:
    path = land(tmp_path, b"one" * 100)
    whole = path.read_bytes()
    for damaged in (whole[:-3], whole[:20] + b"\x00" + whole[21:], b""):
        path.write_bytes(damaged)
        with pytest.raises(LandingDamaged):
            list(LandingFile.open(path).replies())


def test_the_same_pages_make_the_same_bytes(tmp_path: Path) -> None:
    assert land(tmp_path / "a", b"one").read_bytes() == land(tmp_path / "b", b"one").read_bytes()


def test_landing_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = land(tmp_path, b"one")
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_an_upload_lands_once_under_its_hash(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"same")
    first, second = (land_upload(tmp_path / name, tmp_path / "landing") for name in ("a.csv", "b.csv"))
    assert first == second
    assert first.path.read_bytes() == b"same"


def test_a_link_does_not_land(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(UnreadableUpload):
        land_upload(tmp_path / "link", tmp_path / "landing")
