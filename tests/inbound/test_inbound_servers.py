"""Files are fetched from web, FTP and mail servers and object stores; wrong logins and certificates are named."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import stamina

from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files
from cdr_pipeline.steps.inbound.place_results import PlaceResult
from cdr_pipeline.steps.run_context import RunContext
from tests.support.inbound_servers import (
    PASSWORD,
    USER,
    FtpServer,
    MailServer,
    Trust,
    WebServer,
    ftps_server,
    mail_server,
    web_server,
)
from tests.support.store_servers import store_process
from tests.support.uploads import carrier_text, opened

LARGE = b"x" * 400_000


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    with stamina.set_testing(testing=True, attempts=3, cap=True):
        yield


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def web(trust: Trust) -> Iterator[WebServer]:
    with web_server(trust.context()) as server:
        yield server


@pytest.fixture
def mails(trust: Trust) -> Iterator[MailServer]:
    with mail_server(trust.context()) as server:
        yield server


@pytest.fixture
def ftp(trust: Trust, tmp_path: Path) -> Iterator[FtpServer]:
    if find_spec("pyftpdlib") is None:
        pytest.skip("pyftpdlib is not installed")
    (tmp_path / "ftp" / "out").mkdir(parents=True)
    with ftps_server(tmp_path / "ftp", trust.pem()) as server:
        yield server


def fetched(ctx: RunContext, trust: Trust, url: str, **more: str) -> PlaceResult:
    values = {
        "url": url, "ca_file": str(trust.ca_file), "password": PASSWORD, "pattern": "*.csv", "account": "acct",
        "profile": "generic", "whole": "at_once",
    } | more  # fmt: skip
    lines = (f"{key} = {value if value.startswith('[') else repr(value)}\n" for key, value in values.items())
    ctx.settings.inbound_file.write_text("[mine]\n" + "".join(lines))
    ctx.settings.inbound_file.chmod(0o600)
    (result,) = fetch_files(FetchRequest(), ctx, sleep=lambda _: None)
    assert PASSWORD not in repr(result)
    return result


def outcomes(result: PlaceResult) -> dict[str, str]:
    assert not result.code, result.message
    return {file.path: file.outcome for file in result.files}


def test_links_of_an_index_page_are_fetched_once(ctx: RunContext, trust: Trust, web: WebServer) -> None:
    opened(ctx)
    web.files["a.csv"] = carrier_text(1).encode()
    web.links = ["https://other.example/b.csv", "../secret.csv", "readme.txt"]
    url = f"https://{USER}@127.0.0.1:{web.port}/out/"
    assert outcomes(fetched(ctx, trust, url)) == {"a.csv": "fetched", "readme.txt": "unmatched"}
    assert outcomes(fetched(ctx, trust, url))["a.csv"] == "known"
    web.files["a.csv"] = carrier_text(1, 2).encode()
    assert outcomes(fetched(ctx, trust, url))["a.csv"] == "fetched"


def test_a_web_transfer_that_breaks_is_continued_by_range(ctx: RunContext, trust: Trust, web: WebServer) -> None:
    opened(ctx)
    web.files["a.csv"], web.cut = LARGE, 1
    (file,) = fetched(ctx, trust, f"https://{USER}@127.0.0.1:{web.port}/out/").files
    assert (file.outcome, file.size, file.resumed) == ("fetched", len(LARGE), True)
    assert web.ranges


def test_addresses_with_a_date_are_fetched_where_they_exist(ctx: RunContext, trust: Trust, web: WebServer) -> None:
    opened(ctx)
    web.files["a.csv"] = carrier_text(1).encode()
    url = f"https://127.0.0.1:{web.port}/out"
    result = fetched(ctx, trust, f"https://{USER}@127.0.0.1", urls=f'["{url}/a.csv", "{url}/%Y%m%d.csv"]')
    assert outcomes(result) == {"a.csv": "fetched"}


@pytest.mark.parametrize("login", ["nobody", USER])
def test_a_wrong_login_or_expired_certificate_is_refused(ctx: RunContext, trust: Trust, login: str) -> None:
    opened(ctx)
    with web_server(trust.context(expired=login == USER)) as server:
        result = fetched(ctx, trust, f"https://{login}@127.0.0.1:{server.port}/out/")
    assert result.code == "inbound_refused"
    assert ("certificate" if login == USER else "login") in result.message


def test_attachments_are_fetched_once_and_their_mail_is_moved(ctx: RunContext, trust: Trust, mails: MailServer) -> None:
    opened(ctx)
    mails.deliver("cdr@carrier.example", a__csv=carrier_text(1).encode(), b__csv=carrier_text(2).encode())
    mails.deliver("cdr@elsewhere.example", c__csv=carrier_text(3).encode())
    url = f"imaps://{USER}@127.0.0.1:{mails.port}/cdr"
    result = fetched(ctx, trust, url, senders='["carrier.example"]')
    assert outcomes(result) == {"1.2/a.csv": "fetched", "1.3/b.csv": "fetched"}
    assert [file.size for file in result.files] == [len(carrier_text(1)), len(carrier_text(2))]
    read = mails.bodies
    result = fetched(ctx, trust, url, senders='["carrier.example"]', after="move", move_to="done")
    assert outcomes(result) == {"1.2/a.csv": "known", "1.3/b.csv": "known"}
    assert (mails.bodies, mails.moved, list(mails.mails)) == (read, {"done": [1]}, [2])


def test_a_mail_server_that_refuses_the_login_is_named(ctx: RunContext, trust: Trust, mails: MailServer) -> None:
    opened(ctx)
    result = fetched(ctx, trust, f"imaps://{USER}@127.0.0.1:{mails.port}/cdr", password="wrong")
    assert (result.code, "user or password" in result.message) == ("inbound_refused", True)


def test_files_of_an_ftp_server_are_fetched_and_moved(ctx: RunContext, trust: Trust, ftp: FtpServer) -> None:
    opened(ctx)
    (ftp.folder / "out" / "a.csv").write_bytes(LARGE)
    url = f"ftps://{USER}@127.0.0.1:{ftp.port}/out"
    (file,) = fetched(ctx, trust, url, after="move", move_to="done").files
    assert (file.outcome, file.size, file.cleared) == ("fetched", len(LARGE), "moved")
    assert (ftp.folder / "out" / "done" / "a.csv").is_file()
    refused = fetched(ctx, trust, url.replace(USER, "nobody"))
    assert refused.code == "inbound_refused"


@pytest.mark.slow
def test_objects_of_a_bucket_are_fetched_and_moved(ctx: RunContext, trust: Trust) -> None:
    opened(ctx)
    with store_process("s3") as store:
        store.empty()
        store.put("out/a.csv", LARGE)
        store.put("out/b.txt", b"x")
        more = {"endpoint_url": f"http://127.0.0.1:{store.port}", "key": "k", "secret": PASSWORD, "after": "move"}
        result = fetched(ctx, trust, "s3://cdr-data/out", move_to="done", **more)
        assert outcomes(result) == {"a.csv": "fetched", "b.txt": "unmatched"}
        assert sorted(store.objects()) == ["out/b.txt", "out/done/a.csv"]
