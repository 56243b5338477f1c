"""Files in an object store: a server process of each kind behind a proxy that injects faults."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import orjson
import pytest
from pydantic import SecretStr

from cdr_pipeline.errors import SealedFileExists, StoreRefused, StoreUnavailable
from cdr_pipeline.exports.daily_file import publish
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.verify import verify_file, verify_tree
from cdr_pipeline.files import durable, store_client
from cdr_pipeline.files.lock import use_locks
from cdr_pipeline.files.spool import spool_folder
from cdr_pipeline.files.store import StorePath, check_store, parse_url
from cdr_pipeline.settings import load_settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.landing import LandingFile, LandingWriter, land_upload, window_path
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.sources.uploads.waiting import sole_taker, taken_away, waiting_files
from cdr_pipeline.sources.upstream import Window
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.records.extracts import clear_extracts, withdraw_extracts
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.commands import run_command
from tests.support.daily_files import records, write
from tests.support.databases import copied_database
from tests.support.forked_commands import CommandRunner
from tests.support.nights import DAY as NIGHT
from tests.support.nights import night, playing, require_sound
from tests.support.object_store import FaultyStore, environment, faulty_store, objects, put
from tests.support.serving import STARTED, know, serving, store, token_for
from tests.support.store_servers import BUCKET, SERVERS, missing_program, store_process
from tests.support.uploads import carrier_text

# The server process takes seconds to start.
pytestmark = pytest.mark.slow
# A night in each kind of store takes too long for every run.
_NIGHT = pytest.mark.parametrize(
    "running",
    ["s3", *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in SERVERS if kind != "s3")],
    indirect=True,
)
_DAY = (datetime.now(UTC) - timedelta(days=2)).date()
YEAR = {"created_from": "2026-01-01T00:00:00Z", "created_to": "2026-12-31T23:59:59Z"}
_HOUR = Window(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC))


@pytest.fixture(scope="module", params=list(SERVERS))
def running(request: pytest.FixtureRequest) -> Iterator[FaultyStore]:
    """A store, with its address in the environment."""
    if reason := missing_program(request.param):
        pytest.skip(reason)
    with store_process(request.param) as server, faulty_store(server) as store, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(store).items():
            patch.setenv(name, value)
        store_client.made_in.cache_clear()
        yield store
        store_client.made_in.cache_clear()


@pytest.fixture
def faulty(running: FaultyStore) -> Iterator[FaultyStore]:
    """The store without objects and faults, and locks that hold within this process."""
    locks: dict[str, threading.Lock] = {}

    @contextmanager
    def held(name: str) -> Generator[None]:
        with locks.setdefault(name, threading.Lock()):
            yield

    running.server.empty()
    running.reset()
    use_locks(held)
    yield running
    running.reset()


@pytest.fixture
def root(faulty: FaultyStore) -> StorePath:
    return parse_url(faulty.root)


def test_a_daily_file_has_the_same_bytes_as_on_a_disk(root: StorePath, tmp_path: Path, faulty: FaultyStore) -> None:
    local, stored = write(tmp_path, records({})), write(root, records({}))

    kept = objects(faulty)
    for path in (local.path, manifest_path(local.path)):
        assert kept[f"data/{path.relative_to(tmp_path)}"] == path.read_bytes()
    assert verify_file(stored.path) == []
    assert set(verify_tree(root)) == {stored.path}


def test_the_manifest_is_the_last_put(root: StorePath, faulty: FaultyStore) -> None:
    write(root, records({}))

    assert faulty.puts[-1].endswith(".csv.manifest.json")
    assert faulty.puts[0].endswith(".csv")


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

    said = f"{error.value.message}{error.value.hint}"
    assert not [value for value in environment(faulty).values() if value in said]


def test_a_missing_bucket_is_named(faulty: FaultyStore) -> None:
    with pytest.raises(StoreRefused, match=r"the (bucket|container) no-such does not exist"):
        check_store(parse_url(faulty.root.replace(BUCKET, "no-such")))
    with pytest.raises(StoreRefused, match=r"the (bucket|container) no-such does not exist"):
        list(parse_url(faulty.root.replace(BUCKET, "no-such")).objects())


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


def test_profiles_are_listed_once_and_not_for_each_of_them(root: StorePath, faulty: FaultyStore) -> None:
    put(faulty, "data/profiles/own.toml", b"")

    assert "generic" in list_profiles(root / "profiles")

    # s3fs asks three times for a listing of one folder.
    assert faulty.listed <= 3


def test_no_temporary_file_is_left_on_the_disk(root: StorePath) -> None:
    before = set(spool_folder().iterdir())

    verify_file(write(root, records({})).path)

    assert set(spool_folder().iterdir()) == before


@_NIGHT
@pytest.mark.timeout(900)
def test_a_night_in_the_store_gives_the_bytes_of_one_on_a_disk(
    faulty: FaultyStore,
    embedded_server: EmbeddedServer,
    warehouse_url: str,
    programs: CommandRunner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    switch = SimulatedSwitch.build(accounts=2, calls_per_day=8)
    account = switch.accounts[0].account_id
    late = tmp_path / "late.csv"
    late.write_text(carrier_text(9, start=f"{_DAY}T12:00:00Z"))
    dropped = carrier_text(1, start=f"{_DAY}T09:00:00Z")
    disk = tmp_path / "data"
    put(faulty, f"data/uploads/{account}/generic/calls.csv", dropped.encode())
    drop = disk / "uploads" / account / "generic"
    drop.mkdir(parents=True)
    (drop / "calls.csv").write_text(dropped)
    put(faulty, "data/targets.toml", f'[share]\nurl = "{tmp_path / "share_of_store"}"\n'.encode())
    (disk / "targets.toml").write_text(f'[share]\nurl = "{tmp_path / "share_of_disk"}"\n')

    with run_switch(switch) as api, copied_database(embedded_server) as other_warehouse:
        of_store = _variables(faulty.root, warehouse_url, tmp_path / "home_of_store", switch, api.url)
        of_disk = _variables(str(disk), other_warehouse, tmp_path / "home_of_disk", switch, api.url)
        both = [programs.start(_commands(each["CDR_DATA_DIR"], account, late), each) for each in
                (of_store | environment(faulty), of_disk)]  # fmt: skip
        for done in both:
            assert programs.wait(done, 600) == 0, done.text

    kept = {key.removeprefix("data/"): content for key, content in objects(faulty).items()}
    on_disk = {str(path.relative_to(disk)): path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    files = {name for name in on_disk if name.startswith("exports/") and ".csv" in name}
    daily = {name: on_disk[name] for name in files if not name.endswith(".manifest.json")}
    assert [name for name in daily if f"{account}_{_DAY}_v2" in name]
    assert {name: kept[name] for name in daily} == daily
    assert {name for name in kept if name.startswith("exports/") and ".csv" in name and "/." not in name} == files
    assert not [name for name in kept if name.startswith("uploads/")]
    assert {name.split("/")[0] for name in on_disk} == {name.split("/")[0] for name in kept}
    delivered = _files(tmp_path / "share_of_store")
    assert {name: content for name, content in delivered.items() if name.endswith(".csv")} == {
        name: content for name, content in _files(tmp_path / "share_of_disk").items() if name.endswith(".csv")
    }
    assert [name for name in delivered if f"{account}_{_DAY}_v2" in name]

    for name, value in of_store.items():
        monkeypatch.setenv(name, value)
    with serving(RunContext.open(load_settings())) as served:
        token = token_for(served.ctx, account)
        answer = served.get(f"/v2/accounts/{account}/exports/{_DAY}_v2_exact", token=token)
    (name,) = [name for name in daily if name.endswith(f"cdrs_{account}_{_DAY}_v2.csv")]
    assert (answer.status_code, answer.content) == (200, daily[name])

    put(faulty, f"data/{name}", b"other bytes")
    repaired = run_command("days", "repair", environment=of_store)
    assert repaired.returncode == 0, repaired.stderr
    kept = objects(faulty)
    assert kept[f"data/{name}"] == daily[name]
    assert [content for key, content in kept.items() if ".damaged-" in key and ".sealed" not in key] == [b"other bytes"]


@_NIGHT
def test_an_extract_is_downloaded_in_ranges_and_deleted(faulty: FaultyStore, root: StorePath, ctx: RunContext) -> None:
    in_store = RunContext(ctx.settings.model_copy(update={"data_dir": root}), ctx.url, ctx.clock)
    spooled = set(spool_folder().iterdir())
    know(in_store)
    calls = [{"started_at": STARTED + timedelta(days=day), "duration_seconds": "30"} for day in range(3)]
    store(in_store, "self", *calls, now=ctx.clock() - timedelta(1))
    with serving(in_store, serve_extract_seconds=0.1) as served, served.client(served.tokens["self"]) as client:
        for ending in ("expired", "withdrawn", "deleted"):
            response = client.post("/v2/accounts/self/extracts", json={"data": {"parameters": YEAR}})
            path = response.headers["location"]
            deadline = time.monotonic() + 60
            while (state := client.get(path).json()["data"])["state"] in ("waiting", "running"):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert (state["state"], state["rows"]) == ("ready", 3)
            (content,) = [content for key, content in objects(faulty).items() if "/extracts/self/" in key]
            _require_ranges(client, f"{path}/file", content, state["sha256"])
            if ending == "expired":
                clear_extracts(replace(in_store, clock=lambda: ctx.clock() + timedelta(days=3)))
            elif ending == "withdrawn":
                with in_store.ledger() as ledger:
                    withdraw_extracts("self", ledger, now=ctx.clock())
                assert client.get(f"{path}/file").status_code == 410
                clear_extracts(in_store)
            else:
                client.delete(path)
            assert [key for key in objects(faulty) if "/extracts/" in key] == []
    assert set(spool_folder().iterdir()) == spooled


def _require_ranges(client: httpx2.Client, path: str, content: bytes, sha256: str) -> None:
    head, whole = client.head(path), client.get(path)
    assert (whole.content, whole.headers["x-content-sha256"]) == (content, sha256)
    assert (head.headers["content-length"], head.headers["etag"]) == (str(len(content)), whole.headers["etag"])
    tag = {"If-Range": head.headers["etag"]}
    for wanted, part in (("5-", content[5:]), ("0-9", content[:10]), ("-7", content[-7:])):
        ranged = client.get(path, headers={"Range": f"bytes={wanted}"} | tag)
        assert (ranged.status_code, ranged.content) == (206, part)
    changed = client.get(path, headers={"Range": "bytes=5-", "If-Range": '"another"'})
    assert (changed.status_code, changed.content) == (200, content)
    assert client.get(path, headers={"Range": f"bytes={len(content)}-"}).status_code == 416


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _night(ctx: RunContext) -> set[str]:
    """Codes of what failed in collecting, loading and exporting a day."""
    collected, loaded = night(ctx)
    exported = export_days(ExportRequest([NIGHT]), ctx)
    return {part.failure.code for part in (*collected.accounts, *loaded.accounts, *exported) if part.failure}


def _gone(faulty: FaultyStore) -> None:
    faulty.gone = True


def _no_manifest(faulty: FaultyStore) -> None:
    faulty.refused_put = ".csv.manifest.json"


def _no_landing(faulty: FaultyStore) -> None:
    faulty.refused_put = "/landing/"


def _trembling(faulty: FaultyStore) -> None:
    faulty.slow_down, faulty.lost_replies = 3, 2


@_NIGHT
@pytest.mark.parametrize(
    ("put_fault", "code"),
    [
        pytest.param(_gone, "store_unavailable", marks=pytest.mark.exhaustive),
        pytest.param(_no_landing, "store_refused", marks=pytest.mark.exhaustive),
        (_no_manifest, "store_refused"),
        pytest.param(_trembling, "", marks=pytest.mark.exhaustive),
    ],
)
def test_a_fault_in_mid_night_is_named_and_the_next_run_heals_it(
    faulty: FaultyStore,
    root: StorePath,
    ctx: RunContext,
    embedded_server: EmbeddedServer,
    put_fault: Callable[[FaultyStore], None],
    code: str,
) -> None:
    switch = SimulatedSwitch.build(accounts=2, calls_per_day=8)
    with run_switch(switch) as api, copied_database(embedded_server) as other:
        in_store = ctx.settings.model_copy(update={"data_dir": root, "warehouse_url": SecretStr(other)})
        stored = playing(RunContext.open(in_store, clock=ctx.clock), switch, api.url)
        disk = playing(ctx, switch, api.url)
        assert _night(disk) == set()

        put_fault(faulty)
        assert _night(stored) == ({code} if code else set())
        faulty.gone, faulty.refused_put = False, ""
        later = replace(stored, clock=lambda: ctx.clock() + timedelta(hours=1))
        assert _night(later) == set()
        require_sound(stored)

    of_disk = {
        str(path.relative_to(ctx.settings.data_dir)): path.read_bytes()
        for path in ctx.settings.export_dir.rglob("*.csv")
    }
    assert of_disk
    assert {name: objects(faulty)[f"data/{name}"] for name in of_disk} == of_disk


def test_config_check_tries_the_store(faulty: FaultyStore) -> None:
    variables = {"CDR_DATA_DIR": faulty.root, "CDR_WAREHOUSE_URL": "postgresql://host.example/cdr"}
    tried = run_command("config", "check", environment=variables)
    assert tried.returncode == 0, tried.stderr
    assert f"{faulty.root}: a file was written, listed, read and deleted" in tried.stdout
    assert objects(faulty) == {}

    refused = run_command(
        "config", "check", environment=variables | {"CDR_DATA_DIR": faulty.root.replace(BUCKET, "no-such")}
    )
    assert refused.returncode == StoreRefused.exit_code
    assert "no-such does not exist" in refused.stderr


def test_verify_export_names_a_damaged_file_in_the_store(root: StorePath, faulty: FaultyStore) -> None:
    file = write(root, records({}))
    file.path.unlink()
    put(faulty, f"data/{file.path.relative_to(root)}", b"other bytes")
    checked = run_command("verify-export", str(root))
    assert checked.returncode == 8
    assert file.path.name in checked.stdout + checked.stderr


def _variables(data_dir: str, warehouse: str, home: Path, switch: SimulatedSwitch, url: str) -> dict[str, str]:
    return {
        "CDR_DATA_DIR": data_dir,
        "CDR_WAREHOUSE_URL": warehouse,
        "DAGSTER_HOME": str(home),
        "CDR_API_URL": url,
        "CDR_API_KEY": switch.api_key,
        "CDR_API_REQUESTS_PER_SECOND": "10000",
        "CDR_API_HOST_REQUESTS_PER_SECOND": "100000",
        "CDR_UPLOAD_SETTLE_SECONDS": "0",
    }


def _commands(data_dir: str, account: str, late: Path) -> list[str]:
    """A night, its seal, a late call and its restatement."""
    person = ["--by", "a person", "--reason", "for the test"]
    script = [
        ["config", "check"],
        ["accounts", "sync"],
        ["nightly", "--date", str(_DAY)],
        ["days", "seal", "--date", str(_DAY), "--override", *person],
        ["import", str(late), "--account", account, "--profile", "generic"],
        ["days", "restate", "--date", str(_DAY), *person],
        ["deliver"],
        ["verify-export", f"{data_dir}/exports"],
    ]
    return ["script", json.dumps(script)]
