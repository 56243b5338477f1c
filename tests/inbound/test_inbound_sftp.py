"""Files are fetched by SFTP: host keys, logins, cuts, and what a server may not make us do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.sources.inbound.download import download
from cdr_pipeline.sources.inbound.opening import open_place
from cdr_pipeline.sources.inbound.places import load_places
from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files
from cdr_pipeline.steps.inbound.place_results import PlaceResult
from cdr_pipeline.steps.run_context import RunContext
from tests.support.delivery_servers import SftpServer, sftp_server
from tests.support.uploads import carrier_text, opened

LARGE = b"x" * 3_000_000


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    with stamina.set_testing(testing=True, attempts=3, cap=True):
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_server(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture
def server(shared: SftpServer) -> SftpServer:
    """The server with an empty folder, without faults."""
    for path in sorted(shared.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (shared.folder / "out").mkdir()
    shared.cut_after = None
    return shared


@pytest.fixture
def place(ctx: RunContext, server: SftpServer) -> RunContext:
    configured(ctx, server)
    return opened(ctx)


def configured(ctx: RunContext, server: SftpServer, **more: object) -> None:
    values = {
        "url": f"sftp://cdr@127.0.0.1:{server.port}/out", "known_hosts": server.known_hosts,
        "key_file": server.key_file, "pattern": "*.csv", "account": "acct", "profile": "generic", "whole": "at_once",
    } | more  # fmt: skip
    ctx.settings.inbound_file.write_text(
        "[mine]\n" + "".join(f'{key} = "{value}"\n' for key, value in values.items() if value is not None)
    )
    ctx.settings.inbound_file.chmod(0o600)


def fetched(ctx: RunContext) -> PlaceResult:
    (result,) = fetch_files(FetchRequest(), ctx, sleep=lambda _: None)
    return result


def test_files_are_fetched_once_and_moved_there(place: RunContext, server: SftpServer) -> None:
    configured(place, server, after="move", move_to="done")
    (server.folder / "out" / "a.csv").write_text(carrier_text(1))
    (file,) = fetched(place).files
    assert (file.outcome, file.cleared) == ("fetched", "moved")
    assert (server.folder / "out" / "done" / "a.csv").is_file()
    assert fetched(place).files == ()


def test_a_connection_that_breaks_is_continued_where_it_broke(place: RunContext, server: SftpServer) -> None:
    (server.folder / "out" / "a.csv").write_bytes(LARGE)
    server.cut_after = 1_500_000
    (file,) = fetched(place).files
    assert (file.outcome, file.size, file.resumed) == ("fetched", len(LARGE), True)


def test_a_part_of_another_file_is_not_continued(place: RunContext, server: SftpServer, tmp_path: Path) -> None:
    (server.folder / "out" / "a.csv").write_bytes(LARGE)
    (mine,) = load_places(place.settings.inbound_file)
    with open_place(mine) as connection:
        file = connection.look("a.csv")
        assert file is not None
        path = download(connection, mine, file, tmp_path).path
        path.rename(path.with_name("content.part")).write_bytes(b"y" * 100_000)
        again = download(connection, mine, file, tmp_path)
    assert again.path.read_bytes() == LARGE
    assert not again.resumed


def test_a_host_with_another_key_is_refused(place: RunContext, server: SftpServer, tmp_path: Path) -> None:
    other = tmp_path / "other_hosts"
    with sftp_server(tmp_path / "impostor") as impostor:
        other.write_text(impostor.known_hosts.read_text().replace(str(impostor.port), str(server.port)))
    configured(place, server, known_hosts=other)
    result = fetched(place)
    assert result.code == "inbound_refused"
    assert "host's key" in result.message


def test_a_refused_login_names_no_secret(place: RunContext, server: SftpServer) -> None:
    configured(place, server, key_file=None, password="hunter2")
    result = fetched(place)
    assert result.code == "inbound_refused"
    assert "hunter2" not in repr(result)


def test_a_dead_host_is_retried_and_named(place: RunContext, server: SftpServer) -> None:
    configured(place, server, url="sftp://cdr@127.0.0.1:1/out")
    result = fetched(place)
    assert (result.code, result.retryable) == ("inbound_unavailable", True)


def test_a_server_that_is_too_slow_is_given_up(place: RunContext, server: SftpServer) -> None:
    (server.folder / "out" / "a.csv").write_text(carrier_text(1))
    text = place.settings.inbound_file.read_text()
    place.settings.inbound_file.write_text(text + "timeout_seconds = 0.3\n")
    server.stall_seconds = 1.0
    try:
        result = fetched(place)
    finally:
        server.stall_seconds = 0.0
    assert result.code == "inbound_unavailable"


@pytest.mark.parametrize("name", ["../a.csv", "/etc/a.csv", "a\x00.csv", "a\n.csv", "..", "a\\b.csv"])
def test_a_name_that_is_a_path_is_refused(name: str, place: RunContext, server: SftpServer) -> None:
    server.listed_as = name
    (server.folder / "out" / "a.csv").write_text(carrier_text(1))
    try:
        result = fetched(place)
    finally:
        server.listed_as = ""
    assert not [file for file in result.files if file.outcome == "fetched"]
    assert RemoteFile(name).path == name
