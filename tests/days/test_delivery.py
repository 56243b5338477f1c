"""Delivery to folders, SFTP and object stores that fail: cases D25 to D27."""

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import s3fs.core
import stamina

from cdr_pipeline.errors import ConfigurationError, DeliveryError
from cdr_pipeline.exports.delivery.targets import load_targets
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days import deliver_files as deliver_step
from cdr_pipeline.steps.days.deliver_files import DeliveredFile, DeliverRequest, deliver_files
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.deliveries import DeliveryTable
from cdr_pipeline.warehouse.ledger import Delivery
from tests.support.days import ACCOUNT, collected, deliver, export, later, restate, seal, state
from tests.support.delivery_servers import ObjectStore, SftpServer, object_store, sftp_server

NAME = f"{ACCOUNT}/2026/03/cdrs_acct_2026-03-02_v1.csv"


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    with stamina.set_testing(testing=True, attempts=3, cap=True):
        yield


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A sealed day."""
    collected(ctx)
    deliver(ctx, {"record_id": "a"}, {"record_id": "b", "caller_id_name": "x" * 50_000})
    seal(ctx)
    return ctx


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[SftpServer]:
    with sftp_server(tmp_path / "sftp") as server:
        yield server


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with object_store() as found:
        yield found


def targets(ctx: RunContext, text: str) -> None:
    ctx.settings.targets_file.write_text(text)
    ctx.settings.targets_file.chmod(0o600)


def to_folder(ctx: RunContext, tmp_path: Path) -> Path:
    folder = tmp_path / "fetched here"
    targets(ctx, f'[finance]\nurl = "{folder}"\n')
    return folder


def to_sftp(ctx: RunContext, server: SftpServer, known_hosts: Path | None = None) -> None:
    targets(
        ctx,
        f'[finance]\nurl = "sftp://cdr@127.0.0.1:{server.port}/in"\n'
        f'known_hosts = "{known_hosts or server.known_hosts}"\nkey_file = "{server.key_file}"\n',
    )


def to_store(ctx: RunContext, store: ObjectStore) -> None:
    targets(
        ctx,
        f'[finance]\nurl = "s3://bucket/in"\nendpoint_url = "{store.url}"\nkey = "k"\nsecret = "s"\n',
    )


def send(ctx: RunContext, *, again: bool = False) -> list[DeliveredFile]:
    return deliver_files(DeliverRequest(again=again), ctx)


def known(ctx: RunContext) -> list[Delivery]:
    with ctx.ledger() as ledger:
        return ledger.deliveries.list_all([ACCOUNT], ["pending", "delivered", "refused"])


def local(ctx: RunContext) -> bytes:
    return (ctx.settings.export_dir / NAME).read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_folder_gets_file_and_manifest_and_the_ledger_a_receipt(place: RunContext, tmp_path: Path) -> None:
    folder = to_folder(place, tmp_path)
    (sent,) = send(place)
    assert (sent.outcome, sent.path) == ("delivered", NAME)
    assert (folder / NAME).read_bytes() == local(place)
    assert not any(verify_tree(folder).values())
    (row,) = known(place)
    assert row.receipt is not None
    assert row.receipt.startswith("written, read back: sha256")
    assert send(place) == []


def test_only_days_that_are_final_are_delivered(ctx: RunContext, tmp_path: Path) -> None:
    collected(ctx)
    export(ctx)
    to_folder(ctx, tmp_path)
    assert send(ctx) == []


def test_a_restated_day_is_delivered_beside_the_version_before(place: RunContext, tmp_path: Path) -> None:
    folder = to_folder(place, tmp_path)
    send(place)
    deliver(later(place, hours=1), {"record_id": "c"})
    restate(later(place, hours=2))
    assert {Path(item.path).name for item in send(later(place, hours=3))} == {
        "cdrs_acct_2026-03-02_v2.csv", "cdrs_acct_2026-03-02_v2.adjustment.csv",
    }  # fmt: skip
    assert len(names(folder)) == 6


def test_a_target_may_take_some_accounts_and_dialects_only(place: RunContext, tmp_path: Path) -> None:
    targets(place, f'[a]\nurl = "{tmp_path}/a"\naccounts = ["other"]\n[b]\nurl = "{tmp_path}/b"\ndialects = ["xlsx"]\n')
    assert send(place) == []


def test_a_repeated_delivery_sends_only_what_is_missing(place: RunContext, tmp_path: Path) -> None:
    folder = to_folder(place, tmp_path)
    send(place)
    (there,) = send(place, again=True)
    assert there.receipt is not None
    assert there.receipt.startswith("there already")
    shutil.rmtree(folder)
    (sent,) = send(place, again=True)
    assert sent.receipt is not None
    assert sent.receipt.startswith("written")
    assert (folder / NAME).read_bytes() == local(place)


@pytest.mark.fault("D25")
def test_another_file_of_that_name_is_never_overwritten(place: RunContext, tmp_path: Path) -> None:
    folder = to_folder(place, tmp_path)
    (folder / NAME).parent.mkdir(parents=True)
    (folder / NAME).write_bytes(b"someone else's")
    (sent,) = send(place)
    assert sent.failure is not None
    assert (sent.outcome, sent.failure.code) == ("refused", "delivery_refused")
    assert (folder / NAME).read_bytes() == b"someone else's"
    assert names(folder) == ["cdrs_acct_2026-03-02_v1.csv"]
    assert send(place) == []


@pytest.mark.fault("D25")
def test_sftp_with_the_known_host_key_delivers(place: RunContext, sftp: SftpServer) -> None:
    to_sftp(place, sftp)
    (sent,) = send(place)
    assert sent.outcome == "delivered"
    assert (sftp.folder / "in" / NAME).read_bytes() == local(place)
    assert not any(verify_tree(sftp.folder).values())


@pytest.mark.fault("D25")
@pytest.mark.parametrize("key", ["unknown", "changed"])
def test_sftp_with_a_host_key_that_is_not_the_known_one_sends_nothing(
    place: RunContext, sftp: SftpServer, tmp_path: Path, key: str
) -> None:
    file = tmp_path / "known"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    file.write_text("" if key == "unknown" else f"[127.0.0.1]:{sftp.port} {other}")
    to_sftp(place, sftp, file)
    (sent,) = send(place)
    assert sent.failure is not None
    assert (sent.outcome, sent.failure.code, sent.failure.retryable) == ("refused", "delivery_refused", False)
    assert "host's key" in sent.failure.message
    assert names(sftp.folder) == []
    assert state(place) == "sealed"


@pytest.mark.fault("D25")
def test_an_sftp_target_without_known_hosts_is_refused_when_it_is_read(place: RunContext) -> None:
    targets(place, '[finance]\nurl = "sftp://cdr@127.0.0.1/in"\n')
    with pytest.raises(ConfigurationError, match="known_hosts"):
        send(place)


@pytest.mark.fault("D25")
def test_a_cut_connection_leaves_the_file_due_and_the_next_call_delivers(place: RunContext, sftp: SftpServer) -> None:
    to_sftp(place, sftp)
    sftp.cut_after = 20_000
    (sent,) = send(place)
    assert sent.failure is not None
    assert (sent.outcome, sent.failure.code) == ("pending", "delivery")
    assert not (sftp.folder / "in" / NAME).exists()
    (sent,) = send(later(place, hours=1))
    assert sent.outcome == "delivered"
    assert names(sftp.folder) == ["cdrs_acct_2026-03-02_v1.csv", "cdrs_acct_2026-03-02_v1.csv.manifest.json"]
    gc.collect()


@pytest.mark.fault("D25")
def test_a_refused_rename_leaves_no_part_behind(place: RunContext, sftp: SftpServer) -> None:
    to_sftp(place, sftp)
    sftp.refuse_rename = True
    (sent,) = send(place)
    assert sent.outcome in ("pending", "refused")
    assert names(sftp.folder) == []


@pytest.mark.fault("D26")
def test_an_object_store_that_slows_down_gets_file_and_then_manifest(place: RunContext, store: ObjectStore) -> None:
    to_store(place, store)
    store.slow_down = 3
    (sent,) = send(place)
    assert sent.outcome == "delivered"
    assert sorted(store.objects) == [f"bucket/in/{NAME}", f"bucket/in/{NAME}.manifest.json"]
    assert store.objects[f"bucket/in/{NAME}"] == local(place)
    assert store.order[-1].endswith(".manifest.json")


@pytest.mark.fault("D26")
def test_an_object_that_arrives_damaged_is_found_and_sent_again(place: RunContext, store: ObjectStore) -> None:
    to_store(place, store)
    store.damage = 1
    (sent,) = send(place)
    assert sent.outcome == "delivered"
    assert store.objects[f"bucket/in/{NAME}"] == local(place)


@pytest.mark.fault("D26")
@pytest.mark.parametrize("lost", [0, 1], ids=["all at once", "one again"])
def test_a_large_object_goes_in_parts_and_one_that_is_refused_goes_again(
    place: RunContext, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    to_store(place, store)
    store.lose_part = lost
    monkeypatch.setattr(s3fs.core, "calculate_chunksize", lambda *_, **__: 20_000)
    (sent,) = send(place)
    assert (sent.outcome, store.lose_part, store.parts) == ("delivered", 0, {})
    assert sorted(store.objects) == [f"bucket/in/{NAME}", f"bucket/in/{NAME}.manifest.json"]
    assert store.objects[f"bucket/in/{NAME}"] == local(place)
    assert store.order[-1].endswith(".manifest.json")


@pytest.mark.fault("D26")
def test_parts_that_never_arrive_leave_no_object_and_the_file_due(
    place: RunContext, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_store(place, store)
    store.lose_part = 100
    monkeypatch.setattr(s3fs.core, "calculate_chunksize", lambda *_, **__: 20_000)
    (sent,) = send(place)
    assert (sent.outcome, store.objects, store.parts) == ("pending", {}, {})
    assert store.aborted > 0
    store.lose_part = 0
    (sent,) = send(later(place, hours=1))
    assert (sent.outcome, store.objects[f"bucket/in/{NAME}"]) == ("delivered", local(place))


@pytest.mark.fault("D27")
def test_a_target_that_is_down_leaves_the_file_due_with_its_age(
    place: RunContext, sftp: SftpServer, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    targets(
        place,
        f'[down]\nurl = "sftp://cdr@127.0.0.1:1/in"\nknown_hosts = "{sftp.known_hosts}"\n[up]\nurl = "{folder}"\n',
    )
    outcomes = {item.target: item.outcome for item in send(place)}
    assert outcomes == {"down": "pending", "up": "delivered"}
    assert state(place) == "sealed"
    (waiting,) = (row for row in known(place) if row.state == "pending")
    now = later(place, hours=5).clock()
    assert (waiting.attempts, waiting.error_code, waiting.age(now).total_seconds()) == (1, "delivery", 5 * 3600)


def test_a_sealed_file_that_was_changed_on_this_machine_is_not_delivered(place: RunContext, tmp_path: Path) -> None:
    folder = to_folder(place, tmp_path)
    path = place.settings.export_dir / NAME
    path.chmod(0o640)
    path.write_bytes(local(place) + b"x")
    (sent,) = send(place)
    assert sent.failure is not None
    assert (sent.outcome, sent.failure.code) == ("refused", "sealed_file_damaged")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x", "not a TOML"),
        ('[X]\nurl = "/a"', "name of lower-case letters"),
        ('[x]\nurl = "/a"\ncolour = "red"', "colour"),
        ('[x]\nurl = "sftp://u:CANARY@h/a"\nknown_hosts = "k"', "no password"),
        ('[x]\nurl = "folder"', "absolute path"),
        ("x = 1", "table"),
    ],
)
def test_a_wrong_target_is_named_and_no_secret_is_shown(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said) as refused:
        load_targets(file)
    assert "CANARY" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.fault("F03")
@pytest.mark.plants_canaries
def test_secrets_that_others_can_read_are_refused_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "targets.toml"
    file.write_text('[x]\nurl = "s3://b/c"\nkey = "k"\nsecret = "CANARY_TOK"\n')
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others may read"):
        load_targets(file)
    file.chmod(0o600)
    (target,) = load_targets(file)
    assert "CANARY" not in repr(target)


def test_an_unknown_target_is_refused(place: RunContext) -> None:
    with pytest.raises(ConfigurationError, match="no such target"):
        deliver_files(DeliverRequest(targets=["nowhere"]), place)


@pytest.mark.fault("R207")
@pytest.mark.parametrize("fault", ["place", "file"])
def test_a_stale_failure_does_not_undo_a_delivery_of_another_process(
    place: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    folder = to_folder(place, tmp_path)
    opened = deliver_step.open_target
    others: list[DeliveredFile] = []

    def stale(*args: Any) -> Any:
        # This process has read what is due. Another one delivers it, and then this one's target is down.
        with monkeypatch.context() as undone:
            undone.setattr(deliver_step, "open_target", opened)
            others.extend(send(place))
        if fault == "place":
            raise DeliveryError("the target is down")
        monkeypatch.setattr(DeliveryTable, "lock", down)
        return opened(*args)

    def down(*_: object) -> Any:
        raise DeliveryError("the target is down")

    monkeypatch.setattr(deliver_step, "open_target", stale)
    assert send(place) == []
    assert [(item.outcome, item.path) for item in others] == [("delivered", NAME)]
    (row,) = known(place)
    assert (row.state, row.attempts, row.error_code) == ("delivered", 1, None)
    assert (folder / NAME).read_bytes() == local(place)
