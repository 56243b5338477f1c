"""Files as they come: empty, in another encoding, cut, damaged, hostile. Cases B01 to B11 of the catalogue."""

import gzip
import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources import landing
from cdr_pipeline.sources.uploads import opening
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, register_dropped_files
from tests.support.nights import require_sound, warehouse
from tests.support.uploads import HEADER, carrier_row, carrier_text, fed, opened, own_profile, stored

LOOSE = "[time]\nnotation = 'iso8601'\n[fields]\nstarted_at = 'start'\ncaller_id_name = 'name'\n"
START = "2026-03-02T09:00:00Z"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    found = opened(ctx)
    own_profile(found, "loose", LOOSE)
    return found


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def dropped(ctx: RunContext, name: str, content: str = "") -> Path:
    """A file in the drop folder."""
    folder = ctx.settings.upload_dir / "acct" / "generic"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content or carrier_text(1))
    return folder / name


# B01


@pytest.mark.fault("B01")
@pytest.mark.parametrize(
    ("content", "lines"),
    [(b"", 0), (b"\xef\xbb\xbf", 0), (b"\n\n", 2), (HEADER.encode(), 1), (b"\xff\xfe", 0)],
    ids=["empty", "only a mark", "blank lines", "only a header", "only a mark of UTF-16"],
)
def test_a_file_without_records_is_loaded_with_no_rows(
    place: RunContext, tmp_path: Path, content: bytes, lines: int
) -> None:
    counts = fed(place, tmp_path / "f.csv", content).counts
    assert (counts.read, counts.filtered, counts.merged, counts.rejected) == (lines, lines, 0, 0)


# B02


@pytest.mark.fault("B02")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_every_encoding_that_a_mark_or_the_profile_states_is_read(
    place: RunContext, tmp_path: Path, encoding: str
) -> None:
    own_profile(place, "stated", f"[layout]\nencoding = '{encoding}'\n" + LOOSE)
    fed(place, tmp_path / "f.csv", f"start,name\n{START},Zoë\n".encode(encoding), "stated")
    assert stored(place, "caller_id_name") == [("Zoë",)]


@pytest.mark.fault("B02")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"start,name\n{START},Zoë\n".encode("cp1252"), "not utf-8 text at byte 34"),
        (f"start,name\n{START},Zoë\n".encode() + b"\xe9", "not utf-8 text at byte 37"),
        (f"start,name\n{START},Zoe\n".encode("utf-16-le"), "looks like UTF-16"),
    ],
    ids=["cp1252", "mixed", "UTF-16 without a mark"],
)
def test_another_encoding_is_refused_at_its_byte_and_never_read_as_rubbish(
    place: RunContext, tmp_path: Path, content: bytes, said: str
) -> None:
    with pytest.raises(UnreadableUpload, match=said):
        fed(place, tmp_path / "f.csv", content, "loose")
    assert stored(place) == []
    assert warehouse(place, "SELECT state FROM uploads") == [("refused",)]


# B03


@pytest.mark.fault("B03")
@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_only_the_delimiter_of_the_profile_or_of_a_sep_line_is_read(
    place: RunContext, tmp_path: Path, mark: str
) -> None:
    text = f"start{mark}name\n{START}{mark}Ada, Countess\n"
    with pytest.raises(UnreadableUpload, match="names no column start"):
        fed(place, tmp_path / "f.csv", text, "loose")
    own_profile(place, "stated", f"[layout]\ndelimiter = '{mark}'\n" + LOOSE)
    fed(place, tmp_path / "f.csv", text, "stated")
    assert stored(place, "caller_id_name") == [("Ada, Countess",)]


# B04


@pytest.mark.fault("B04")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_read_and_rejects_name_the_physical_line(place: RunContext, tmp_path: Path, end: str) -> None:
    lines = ["start,name", f'{START},"two', 'lines"', "never,x", f"{START},y"]
    loaded = fed(place, tmp_path / "f.csv", end.join(lines).encode(), "loose")
    assert loaded.counts.merged == 2
    assert warehouse(place, "SELECT line, field, reason FROM rejects") == [(4, "started_at", "not_a_time")]


# B05


@pytest.mark.fault("B05")
def test_a_quote_that_is_never_closed_costs_its_own_line_of_a_long_file(place: RunContext, tmp_path: Path) -> None:
    rows = "".join(carrier_row(number) for number in range(2, 4000))
    loaded = fed(place, tmp_path / "f.csv", HEADER + carrier_row(1, caller='"open') + rows)
    assert loaded.counts.merged == 3998
    assert warehouse(place, "SELECT line, reason FROM rejects") == [(2, "broken_quote")]


# B06


@pytest.mark.fault("B06")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start,name,Name\n", "names a column twice: columns 2, 3"),
        ("begin,name\n", "names no column start"),
        (f"{START},Ada\n", "names no column start"),
        ("start,label\n", "lacks columns that the profile strict requires: name"),
    ],
    ids=["twice", "renamed start", "no header", "renamed column"],
)
def test_a_header_that_is_not_the_profiles_refuses_the_file(
    place: RunContext, tmp_path: Path, text: str, said: str
) -> None:
    own_profile(place, "strict", "[layout]\nrequired = ['Name']\n" + LOOSE)
    with pytest.raises(UnreadableUpload, match=said):
        fed(place, tmp_path / "f.csv", text + f"{START},Ada\n", "strict")
    assert stored(place) == []


@pytest.mark.fault("B06")
def test_short_and_long_rows_are_rejected_and_shift_no_column(place: RunContext, tmp_path: Path) -> None:
    text = f" Start , NAME ,colour\n{START},a,red\n{START},b\n{START},c,blue,1\n{START},d,\n"
    loaded = fed(place, tmp_path / "f.csv", text, "loose")
    assert loaded.reject_reasons == {"ragged_row": 2}
    assert sorted(stored(place, "caller_id_name, extra::text")) == [("a", '{"colour": "red"}'), ("d", "{}")]


# B07


@pytest.mark.fault("B07")
def test_an_endless_cell_and_a_million_columns_stop_within_bounds(
    place: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdr_pipeline.sources.uploads.lines.LONGEST_LINE", 2_000_000)
    with pytest.raises(UnreadableUpload, match="line 2 has more than"):
        fed(place, tmp_path / "a.csv", "start,name\n" + "x" * 9_000_000, "loose")
    with pytest.raises(UnreadableUpload, match="more than 2000 columns"):
        fed(place, tmp_path / "b.csv", ",".join(f"c{number}" for number in range(200_000)) + "\n", "loose")
    wide = f"start,name\n{START},a\n" + "," * 1_000_000 + "\n"
    assert fed(place, tmp_path / "c.csv", wide, "loose").reject_reasons == {"ragged_row": 1}


# B08


@pytest.mark.fault("B08")
def test_a_zip_of_one_file_is_read_and_the_name_in_it_means_nothing(place: RunContext, tmp_path: Path) -> None:
    packed = zipped(("../../etc/cron.d/x", carrier_text(1, 2).encode()))
    assert fed(place, tmp_path / "f.zip", packed).counts.merged == 2
    assert not list(tmp_path.rglob("x"))


@pytest.mark.fault("B08")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped(("a", b" " * 60_000_000)), "unpacks to more than"),
        (gzip.compress(b" " * 60_000_000), "unpacks to more than"),
        (zipped(("a", b"x"), ("b", b"y")), "zip of 2 files"),
        (zipped(*((f"f{number}", b"") for number in range(200))), "more than 100 entries"),
        (zipped(("inner.zip", zipped(("a", b"x"))), method=zipfile.ZIP_STORED), "packed twice"),
        (zipped(("a", b"start,name\n" * 100))[:60], "damaged"),
        (gzip.compress(os.urandom(4000))[:2000], "damaged"),
    ],
    ids=["zip bomb", "gzip bomb", "two files", "many entries", "nested", "cut zip", "cut gzip"],
)
def test_archives_that_are_no_one_file_are_refused_and_nothing_is_written(
    place: RunContext, tmp_path: Path, content: bytes, said: str
) -> None:
    with pytest.raises(UnreadableUpload, match=said):
        fed(place, tmp_path / "f.zip", content)
    assert stored(place) == []


@pytest.mark.fault("B08")
def test_a_link_in_a_zip_is_refused(place: RunContext, tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        entry = zipfile.ZipInfo("a")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(UnreadableUpload, match="holds a link"):
        fed(place, tmp_path / "f.zip", target.getvalue())


@pytest.mark.fault("B08")
def test_a_forged_size_does_not_open_the_way_for_a_bomb(place: RunContext, tmp_path: Path) -> None:
    content = bytearray(zipped(("a", b" " * 60_000_000)))
    place_of_size = content.index(b"PK\x01\x02") + 24
    content[place_of_size : place_of_size + 4] = struct.pack("<I", 10)
    with pytest.raises(UnreadableUpload):
        fed(place, tmp_path / "f.zip", bytes(content))
    assert stored(place) == []


# B09


@pytest.mark.fault("B09")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("..%2f..%2fetc%2fx", "..%2f..%2fetc%2fx"),
        ("C:\\x.csv", "C:\\x.csv"),
        ("gnp.\u202efdp", "gnp.?fdp"),
        ("a\nb\x1b[31m", "a?b?[31m"),
        ("x" * 250, "x" * 250),
        ("[red]x", "[red]x"),
        (os.fsdecode(b"caf\xe9.csv"), "caf?.csv"),
    ],
)
def test_a_files_name_is_shown_harmless_and_is_never_a_path(
    place: RunContext, tmp_path: Path, name: str, shown: str
) -> None:
    fed(place, tmp_path / name, carrier_text(1))
    ((kept, path),) = warehouse(place, "SELECT file_name, landing_path FROM uploads")
    assert kept == shown
    assert set(Path(path).name) <= set("0123456789abcdef")


# B10


@pytest.mark.fault("B10")
def test_links_pipes_devices_and_folders_are_never_opened(place: RunContext) -> None:
    real = dropped(place, "real.csv")
    (real.parent / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(real.parent / "pipe.csv")
    (real.parent / "folder.csv").mkdir()
    taken = register_dropped_files(place)
    assert [file.file_name for file in taken.files] == ["real.csv"]
    assert sorted(path.name for path in real.parent.iterdir()) == ["folder.csv", "link.csv", "pipe.csv"]
    for path in (real.parent / "link.csv", real.parent / "pipe.csv", real.parent / "folder.csv", Path("/dev/null")):
        with pytest.raises(UnreadableUpload):
            import_upload(UploadRequest(path, "acct", "generic"), place)
    assert stored(place) == []


# B11


@pytest.mark.fault("B11")
def test_a_file_that_grows_while_it_is_read_stays_where_it_is(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dropped(place, "f.csv")
    monkeypatch.setattr(landing, "_CHUNK", 16)
    begin = os.fstat
    with path.open("a") as more, monkeypatch.context() as during:

        def grown(handle: int) -> os.stat_result:
            more.write("x")
            more.flush()
            return begin(handle)

        during.setattr(landing.os, "fstat", grown)
        taken = register_dropped_files(place)
    refusals = [(refused.place, refused.code) for refused in taken.refused]
    assert refusals == [("acct/generic/f.csv", "unreadable_upload")]
    assert path.exists()
    assert warehouse(place, "SELECT count(*) FROM uploads") == [(0,)]
    assert not list((place.settings.landing_dir / "uploads").rglob("*.part"))


@pytest.mark.fault("B11")
def test_a_file_is_taken_in_when_it_has_settled_or_its_sender_says_so(place: RunContext) -> None:
    slow = RunContext(place.settings.model_copy(update={"upload_settle_seconds": 3600.0}), place.url, place.clock)
    path = dropped(slow, "f.csv")
    assert register_dropped_files(slow).files == ()
    path.with_name("f.csv.ready").touch()
    assert [file.file_name for file in register_dropped_files(slow).files] == ["f.csv"]
    assert list(path.parent.iterdir()) == []


def test_a_file_of_an_unknown_account_or_profile_stays_and_is_named(place: RunContext) -> None:
    for account, profile in (("nobody", "generic"), ("acct", "nothing")):
        folder = place.settings.upload_dir / account / profile
        folder.mkdir(parents=True)
        (folder / "f.csv").write_text(carrier_text(1))
    taken = register_dropped_files(place)
    assert [(refused.place, refused.code) for refused in taken.refused] == [
        ("acct/nothing/f.csv", "unknown_profile"), ("nobody/generic/f.csv", "account_not_found"),
    ]  # fmt: skip
    require_sound(place)


def test_a_file_longer_than_any_may_be_is_stopped(
    place: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_BYTES", 1000)
    with pytest.raises(UnreadableUpload, match="unpacks to more than"):
        fed(place, tmp_path / "f.csv", carrier_text(*range(1, 100)))
