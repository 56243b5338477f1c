"""A delivery to a folder or an SFTP server is killed: no half file has a final name, and the next one ends it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.run_context import RunContext
from tests.support.crashing_delivery import POINTS
from tests.support.days import ACCOUNT, collected, deliver, later, seal
from tests.support.delivery_servers import SftpServer, sftp_server
from tests.support.forked_commands import CommandRunner

PROGRAM = Path(__file__).parents[1] / "support" / "crashing_delivery.py"
NAME = f"{ACCOUNT}/2026/03/cdrs_acct_2026-03-02_v1.csv"
NOTE = f"{NAME}.manifest.json"
CASES = [
    (kind, point) for kind in ("folder", "sftp") for point in POINTS
    if "half" not in point or point.endswith(kind)
]  # fmt: skip


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


def target(ctx: RunContext, kind: str, sftp: SftpServer, tmp_path: Path) -> Path:
    """Writes the file of targets; the folder in which what is sent arrives."""
    text = f'[finance]\nurl = "{tmp_path / "fetched"}"\n'
    if kind == "sftp":
        text = (
            f'[finance]\nurl = "sftp://cdr@127.0.0.1:{sftp.port}/in"\nknown_hosts = "{sftp.known_hosts}"\n'
            f'key_file = "{sftp.key_file}"\n'
        )
    ctx.settings.targets_file.write_text(text)
    ctx.settings.targets_file.chmod(0o600)
    return sftp.folder / "in" if kind == "sftp" else tmp_path / "fetched"


def receipts(ctx: RunContext) -> list[tuple[str, bool]]:
    with ctx.ledger() as ledger:
        found = ledger.deliveries.list_all([ACCOUNT], ["pending", "delivered", "refused"])
    return [(row.state, row.receipt is not None) for row in found]


def wait_for_the_end_of_its_session(ctx: RunContext) -> None:
    """Waits until the server has noticed that the killed process is gone; until then its lock hides the file."""
    with ctx.ledger() as ledger:
        for _ in range(600):
            row = ledger.connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'"
            ).fetchone()
            if row == (0,):
                return
            time.sleep(0.05)
    pytest.fail("the session of the killed process did not end within 30 seconds")


@pytest.mark.fault("D14")
@pytest.mark.parametrize(("kind", "point"), CASES)
def test_a_killed_delivery_shows_no_half_file_and_the_next_sends_it_once(
    place: RunContext, sftp: SftpServer, programs: CommandRunner, tmp_path: Path, kind: str, point: str
) -> None:
    there = target(place, kind, sftp, tmp_path)
    sealed = {name: (place.settings.export_dir / name).read_bytes() for name in (NAME, NOTE)}
    arguments = [place.url, str(place.settings.data_dir), point]
    assert programs.wait(programs.start_program(PROGRAM, *arguments)) == -9
    shown = {
        str(path.relative_to(there)): path.read_bytes()
        for path in there.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert shown.items() <= sealed.items()
    assert NOTE not in shown or NAME in shown
    assert receipts(place) in ([], [("pending", False)])
    wait_for_the_end_of_its_session(place)
    (sent,) = deliver_files(DeliverRequest(), later(place, hours=1))
    assert sent.outcome == "delivered"
    assert {name: (there / name).read_bytes() for name in sealed} == sealed
    assert sorted(path.name for path in there.rglob("*") if path.is_file()) == sorted(map(_name, sealed))
    assert not any(verify_tree(there).values())
    assert receipts(place) == [("delivered", True)]
    assert deliver_files(DeliverRequest(), later(place, hours=2)) == []


def _name(path: str) -> str:
    return Path(path).name
