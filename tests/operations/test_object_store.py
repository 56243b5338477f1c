"""Files in an object store: an S3 server process behind a proxy that puts faults."""

import hashlib
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from cdr_pipeline.errors import SealedFileExists, StoreRefused, StoreUnavailable
from cdr_pipeline.exports.daily_file import publish
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.verify import verify_file, verify_tree
from cdr_pipeline.files import durable, store
from cdr_pipeline.files.lock import use_locks
from cdr_pipeline.files.spool import spool_folder
from cdr_pipeline.files.store import StorePath, check_store, parse_url
from cdr_pipeline.sources.landing import LandingFile, LandingWriter, land_upload, window_path
from cdr_pipeline.sources.uploads.waiting import sole_taker, taken_away, waiting_files
from cdr_pipeline.sources.upstream import Window
from tests.support.daily_files import records, write
from tests.support.object_store import BUCKET, FaultyStore, environment, faulty_store, objects, put, store_process

# The server process takes seconds to start.
pytestmark = pytest.mark.slow
_HOUR = Window(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    with store_process() as number:
        yield number


@pytest.fixture
def faulty(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    """The store, its address in the environment, and locks that hold within this process."""
    locks: dict[str, threading.Lock] = {}

    @contextmanager
    def held(name: str) -> Generator[None]:
        with locks.setdefault(name, threading.Lock()):
            yield

    with faulty_store(port) as running:
        for name, value in environment(running).items():
            monkeypatch.setenv(name, value)
        store._made_in.cache_clear()
        use_locks(held)
        yield running
        store._made_in.cache_clear()


@pytest.fixture
def root(faulty: FaultyStore) -> StorePath:
    assert faulty.url
    return parse_url(f"s3://{BUCKET}/data")


def test_a_daily_file_has_the_same_bytes_as_on_a_disk(root: StorePath, tmp_path: Path, faulty: FaultyStore) -> None:
    local, stored = write(tmp_path, records({})), write(root, records({}))

    kept = objects(faulty)
    for path in (local.path, manifest_path(local.path)):
        assert kept[f"data/{path.relative_to(tmp_path)}"] == path.read_bytes()
    assert verify_file(stored.path) == []
    assert set(verify_tree(root)) == {stored.path}


def test_the_manifest_is_the_last_put(root: StorePath, faulty: FaultyStore) -> None:
    write(root, records({}))

    puts = [path for method, path in faulty.requests if method == "PUT"]
    assert puts[-1].endswith(".csv.manifest.json")
    assert puts[0].endswith(".csv")


def test_a_sealed_file_in_the_store_is_never_overwritten(root: StorePath, faulty: FaultyStore) -> None:
    file = write(root, records({}))
    text = manifest_path(file.path).read_bytes()
    publish(file.path, file.sha256, orjson.dumps(orjson.loads(text) | {"state": "sealed"}))
    before = objects(faulty)

    with pytest.raises(SealedFileExists):
        write(root, records({}, {"record_id": "late"}))

    assert objects(faulty) == before


def test_the_store_itself_refuses_a_second_put_of_a_name(root: StorePath, monkeypatch: pytest.MonkeyPatch) -> None:
    durable.write_file(root / "once", b"first", replace=False)
    # Another writer was faster than the look at the name.
    looked = iter([False])
    monkeypatch.setattr(StorePath, "is_file", lambda _: next(looked))

    with pytest.raises(FileExistsError):
        durable.write_file(root / "once", b"second", replace=False)

    assert (root / "once").read_bytes() == b"first"


def test_a_lost_reply_to_a_put_is_a_success(root: StorePath, faulty: FaultyStore) -> None:
    faulty.lost_replies = 1

    durable.write_file(root / "once", b"content", replace=False)

    assert objects(faulty) == {"data/once": b"content"}


def test_a_store_that_slows_down_is_asked_again(root: StorePath, faulty: FaultyStore) -> None:
    faulty.slow_down = 2

    durable.write_file(root / "file", b"content")

    assert (root / "file").read_bytes() == b"content"


def test_a_put_that_arrives_damaged_is_an_error_and_leaves_nothing(root: StorePath, faulty: FaultyStore) -> None:
    faulty.damaged = 1

    with pytest.raises(StoreUnavailable, match="other bytes"):
        durable.write_file(root / "file", b"content", replace=False)

    assert objects(faulty) == {}


def test_an_outage_is_not_a_missing_file(root: StorePath, faulty: FaultyStore) -> None:
    durable.write_file(root / "file", b"content")
    faulty.refused = True

    with pytest.raises(StoreRefused, match="rejects the credentials") as error:
        (root / "file").is_file()

    assert "secret-of-the-test" not in f"{error.value.message}{error.value.hint}"


def test_a_missing_bucket_is_named(faulty: FaultyStore) -> None:
    assert faulty.url
    with pytest.raises(StoreRefused, match="the bucket no-such does not exist"):
        check_store(parse_url("s3://no-such/data"))


def test_a_file_without_its_manifest_is_written_again(root: StorePath, faulty: FaultyStore) -> None:
    killed = write(root, records({}))
    manifest_path(killed.path).unlink()

    again = write(root, records({}, {"record_id": "zz"}))

    assert again.changed
    assert verify_file(again.path) == []
    assert len([name for name in objects(faulty) if name.endswith(".csv")]) == 1


def test_a_stale_listing_does_not_lead_to_an_overwritten_file(root: StorePath, faulty: FaultyStore) -> None:
    file = write(root, records({}))
    list(file.path.parent.glob("cdrs_*.manifest.json"))
    text = manifest_path(file.path).read_bytes()
    faulty.stale = True
    publish(file.path, file.sha256, orjson.dumps(orjson.loads(text) | {"state": "sealed"}))

    with pytest.raises(SealedFileExists):
        write(root, records({}, {"record_id": "late"}))


def test_a_landed_window_without_an_index_has_not_landed(root: StorePath) -> None:
    path = window_path(root / "landing", "acct", _HOUR, _HOUR.ends_at + timedelta(hours=1))
    with LandingWriter(path, account_id="acct", window=_HOUR, upstream="kazoo", dialect="crossbar") as landing:
        landing.add_detail(b'{"id": 1}')

    assert [reply.body for reply in LandingFile.open(path).replies()] == [b'{"id": 1}']
    assert path.is_file()


def test_a_dropped_object_lands_and_leaves_the_drop_folder(root: StorePath, faulty: FaultyStore) -> None:
    put(faulty, "data/uploads/acct/generic/calls.csv", b"a,b\n1,2\n")
    with sole_taker(root / "uploads"):
        (file,) = waiting_files(root / "uploads")
        with taken_away(file) as path:
            landed = land_upload(path, root / "landing")

    digest = hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert objects(faulty) == {f"data/landing/uploads/{digest[:2]}/{digest}": b"a,b\n1,2\n"}
    assert landed.sha256 == digest


def test_no_temporary_file_is_left_on_the_disk(root: StorePath) -> None:
    before = set(spool_folder().iterdir())

    verify_file(write(root, records({})).path)

    assert set(spool_folder().iterdir()) == before
