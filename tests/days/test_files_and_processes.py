"""Files that are durable before they are announced, processes at once, failures of one day: cases R620 to R626."""

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import trustme
from pydantic import SecretStr

from cdr_pipeline.cli import terminal as console
from cdr_pipeline.cli.days import days as days_command
from cdr_pipeline.cli.days import exports as export_command
from cdr_pipeline.cli.uploads import rejects as rejects_command
from cdr_pipeline.errors import DeliveryError, ExportError
from cdr_pipeline.exports.daily_file import publish
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.internal_pack import write_internal_pack
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.settings import Settings, inspect_settings
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.landing import LandingWriter, land_upload, window_path
from cdr_pipeline.sources.upstream import Window
from cdr_pipeline.steps.days import day_files
from cdr_pipeline.steps.days import export_days as export_step
from cdr_pipeline.steps.days import seal_days as seal_step
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.export_month import MonthRequest, export_month
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import SealRequest, seal_days
from cdr_pipeline.steps.operations.alert import Alert
from cdr_pipeline.steps.operations.alert_channels import Rejection, alert_channels
from cdr_pipeline.steps.operations.write_deployment import DeploymentRequest, write_deployment
from cdr_pipeline.steps.retention.retain_records import set_policy
from cdr_pipeline.steps.run_context import RunContext
from tests.support.daily_files import records, write
from tests.support.days import ACCOUNT, DAY, collected, deliver, export, files, later, seal
from tests.support.listeners import mail_server
from tests.support.uploads import carrier_text, fed

NEXT = DAY + timedelta(days=1)
THIRD = DAY + timedelta(days=2)
SUPPORT = Path(__file__).parents[1] / "support"
ALERT = Alert("night_failed", "nightly of 2026-03-02 failed")


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """Three days of one call each, collected whole, long ago."""
    for day in (DAY, NEXT, THIRD):
        collected(ctx, day)
        deliver(ctx, {"record_id": f"of {day}", "business_date": day})
    return ctx


@pytest.fixture
def command(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    """Commands of this process work at the place."""

    @contextmanager
    def run_context(_: str) -> Generator[RunContext]:
        yield place

    monkeypatch.setattr(console, "run_context", run_context)
    return place


def with_spreadsheet(ctx: RunContext) -> RunContext:
    return replace(ctx, settings=ctx.settings.model_copy(update={"export_dialects": "exact,spreadsheet"}))


def sealed_but_not_announced(ctx: RunContext, monkeypatch: pytest.MonkeyPatch, *days: date) -> None:
    """As a process leaves them that dies between the ledger and the manifests."""
    with monkeypatch.context() as patch:
        patch.setattr(seal_step, "publish", lambda *_: None)
        patch.setattr(seal_step, "_record_published", lambda days, *_: list(days))
        patch.setattr(seal_step, "publish_pending", lambda *_: [])
        for day in days:
            assert seal(ctx, day=day).outcome == "sealed"


def deliver_to(folder: Path, ctx: RunContext) -> None:
    ctx.settings.data_dir.mkdir(parents=True, exist_ok=True)
    ctx.settings.targets_file.write_text(f'[finance]\nurl = "{folder}"\n')


def exact(ctx: RunContext, day: date) -> Path:
    return ctx.settings.export_dir / f"{ACCOUNT}/2026/03/cdrs_{ACCOUNT}_{day}_v1.csv"


@pytest.mark.fault("R620")
def test_exports_of_a_day_at_once_announce_files_of_one_run(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    both = with_spreadsheet(place)
    between, go_on = threading.Event(), threading.Event()
    real = day_files.write_rendition

    def slow(*args: Any, **kwargs: Any) -> Any:
        if not between.is_set():
            between.set()
            assert go_on.wait(60)
        return real(*args, **kwargs)

    monkeypatch.setattr(day_files, "write_rendition", slow)
    first = threading.Thread(target=export, args=(both,))
    first.start()
    assert between.wait(60)
    deliver(place, {"record_id": "late"})
    second = threading.Thread(target=export, args=(both,))
    second.start()
    second.join(1.5)
    go_on.set()
    first.join(60)
    second.join(60)
    assert not any(verify_tree(place.settings.export_dir).values())
    with place.ledger() as ledger:
        known = {file.dialect: (file.sha256, file.rows) for file in ledger.day_states.files(ACCOUNT, DAY, 1)}
    found = export(both)
    assert [file.changed for file in found.files] == [False, False]
    assert known == {file.manifest.dialect: (file.sha256, 2) for file in found.files}


@pytest.mark.fault("R620")
def test_a_rendition_is_not_made_from_another_file_than_it_names(place: RunContext) -> None:
    both = with_spreadsheet(place)
    written = export(place)
    exact(place, DAY).chmod(0o640)
    real = day_files.write_daily_file

    def replaced(*args: Any, **kwargs: Any) -> Any:
        made = real(*args, **kwargs)
        made.path.write_bytes(made.path.read_bytes() + b"one more row\r\n")
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_files, "write_daily_file", replaced)
        (failed,) = export_days(ExportRequest([DAY], [ACCOUNT], changed_days=False), both)
    assert written.file is not None
    assert (failed.state, failed.failure and failed.failure.code) == ("failed", "sealed_file_damaged")
    assert not list(place.settings.export_dir.rglob("*spreadsheet*"))


@pytest.mark.fault("R621")
@pytest.mark.parametrize("harm", ["manifest", "missing"])
def test_a_wrong_or_missing_file_of_an_open_day_is_written_again(place: RunContext, harm: str) -> None:
    both = with_spreadsheet(place)
    export(both)
    before = files(place)
    (spreadsheet,) = (path for path in place.settings.export_dir.rglob("*.csv") if path != exact(place, DAY))
    if harm == "missing":
        spreadsheet.unlink()
    else:
        note = manifest_path(spreadsheet)
        note.write_text(note.read_text().replace('"rows": 1,', '"rows": 7,'))
    assert any(verify_tree(place.settings.export_dir).values())
    (again, *_) = export_days(ExportRequest((), [ACCOUNT]), both)
    assert again.business_date == DAY
    assert not any(verify_tree(place.settings.export_dir).values())
    assert before.keys() <= files(place).keys()


@pytest.mark.fault("R622")
def test_a_missing_unannounced_file_stops_no_other_day(
    command: RunContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealed_but_not_announced(command, monkeypatch, DAY, NEXT)
    exact(command, DAY).unlink()
    found = {(day.business_date, day.outcome) for day in seal_days(SealRequest(), command)}
    assert found == {(DAY, "failed"), (THIRD, "sealed")}
    assert manifest_path(exact(command, NEXT)).is_file()
    with pytest.raises(ExportError, match=f"{ACCOUNT} {DAY}"):
        days_command.seal()
    deliver(later(command, hours=1), {"record_id": "late", "business_date": NEXT})
    after = later(command, hours=2)
    restated = restate_days(RestateRequest("A. Controller", "late file", accounts=[ACCOUNT]), after)
    assert [(day.business_date, day.outcome) for day in restated] == [(DAY, "failed"), (NEXT, "restated")]
    deliver_to(tmp_path / "there", command)
    sent = deliver_files(DeliverRequest(), after)
    assert {item.outcome for item in sent if item.path.endswith(".csv")} == {"delivered"}
    assert [(item.outcome, item.failure and item.failure.code) for item in sent if not item.path.endswith(".csv")] == [
        ("refused", "sealed_file_damaged")
    ]
    assert (tmp_path / "there" / exact(command, THIRD).relative_to(command.settings.export_dir)).is_file()
    from cdr_pipeline.cli.days import deliver as deliver_command  # noqa: PLC0415 - the name is taken by a helper above

    with pytest.raises(DeliveryError, match=str(DAY)):
        deliver_command.deliver()


@pytest.mark.fault("R622")
def test_a_damaged_sealed_day_stops_no_export_of_another(command: RunContext) -> None:
    seal(command)
    exact(command, DAY).unlink()
    found = {item.business_date: item for item in export_days(ExportRequest([DAY, NEXT]), command)}
    assert (found[DAY].state, found[NEXT].state, found[THIRD].state) == ("failed", "open", "open")
    with pytest.raises(ExportError, match=f"{ACCOUNT} {DAY}"):
        export_command.export(date=datetime(2026, 3, 2, tzinfo=UTC))


@pytest.mark.fault("R622")
def test_an_unforeseen_error_of_one_day_is_that_days(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    real = seal_step.write_version

    def fails_once(account: Any, day: date, *args: Any, **kwargs: Any) -> Any:
        if day == DAY:
            raise pl.exceptions.ComputeError("number +15550100 cannot be read")
        return real(account, day, *args, **kwargs)

    monkeypatch.setattr(seal_step, "write_version", fails_once)
    monkeypatch.setattr(export_step, "write_version", fails_once)
    exported = {item.business_date: item.failure for item in export_days(ExportRequest([DAY, NEXT]), place)}
    sealed = {item.business_date: item.failure for item in seal_days(SealRequest(), place)}
    for outcome in (exported, sealed):
        failure = outcome[DAY]
        assert failure is not None
        assert (failure.code, "5550100" in failure.message) == ("fault_of_the_program", False)
        assert outcome[NEXT] is None


@pytest.mark.fault("R622")
def test_one_accounts_missing_file_stops_no_month_of_another(command: RunContext) -> None:
    export(command)
    manifest_path(exact(command, DAY)).unlink()
    (month,) = export_month(MonthRequest(DAY), command)
    assert month.failure is not None
    assert (month.files, month.failure.code) == ((), "export")
    with pytest.raises(ExportError, match=ACCOUNT):
        export_command.export_month(month=datetime(2026, 3, 1, tzinfo=UTC))


class Journal:
    """Flushes and renames in their order, as the kernel was asked for them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[str, str]] = []
        fsync, rename = os.fsync, os.replace

        def flushed(handle: int) -> None:
            fsync(handle)
            self.steps.append(("fsync", str(Path(f"/proc/self/fd/{handle}").readlink())))

        def renamed(source: Any, target: Any, **kwargs: Any) -> None:
            rename(source, target, **kwargs)
            self.steps.append((f"rename {source}", str(target)))

        patch.setattr(os, "fsync", flushed)
        patch.setattr(os, "replace", renamed)
        patch.setattr(os, "rename", renamed)

    def require_order(self, *names: str) -> None:
        """Each file of these endings was flushed, renamed, and its folder flushed before anything else is renamed."""
        renames = [number for number, (what, _) in enumerate(self.steps) if what.startswith("rename")]
        seen = {Path(self.steps[number][1]).name for number in renames}
        assert all(any(name.endswith(ending) for name in seen) for ending in names), seen
        for number in renames:
            what, target = self.steps[number]
            source = what.removeprefix("rename ")
            assert ("fsync", source) in self.steps[:number], f"{target}: its bytes are not flushed first"
            assert self.steps[number + 1] == ("fsync", str(Path(target).parent)), f"{target}: its folder is not flushed"


def land_window(folder: Path) -> Path:
    window = Window(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
    path = window_path(folder, ACCOUNT, window, datetime(2026, 3, 3, 2, 30, tzinfo=UTC))
    with LandingWriter(path, account_id=ACCOUNT, window=window, upstream="kazoo", dialect=SwitchDialect.K5) as writer:
        writer.add_detail(b"{}")
    return path


@pytest.mark.fault("R623")
def test_what_has_landed_is_flushed_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = tmp_path / "file.csv"
    upload.write_bytes(b"one line\n")
    journal = Journal(monkeypatch)
    land_window(tmp_path / "landing")
    landed = land_upload(upload, tmp_path / "landing")
    journal.require_order(".pages.gz", ".index.json", landed.sha256)
    created = [step for what, step in journal.steps if what == "fsync"]
    assert str(tmp_path / "landing" / "uploads") in created


@pytest.mark.fault("R623")
def test_files_manifests_sums_and_deliveries_are_flushed(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deliver_to(tmp_path / "there", place)
    journal = Journal(monkeypatch)
    seal(with_spreadsheet(place))
    export_month(MonthRequest(DAY, [ACCOUNT]), place)
    assert {item.outcome for item in deliver_files(DeliverRequest(), place)} == {"delivered"}
    write_deployment(DeploymentRequest(tmp_path / "out", "root", "/var/lib/cdr", "/etc/cdr", "/opt/venv"))
    journal.require_order("_v1.csv", ".manifest.json", "SHA256SUMS", ".sources.json", "cdr.env")
    there = [target for what, target in journal.steps if what.startswith("rename") and "there" in target]
    assert len(there) == 4


@pytest.mark.fault("R624")
def test_two_retention_runs_at_once_remove_a_month_once(place: RunContext) -> None:
    for day in (DAY, NEXT, THIRD):
        seal(place, day=day)
    set_policy(ACCOUNT, place, keep_months=3, archive=True, mask_after_days=None, actor="A. Controller")
    command = [sys.executable, str(SUPPORT / "retaining.py"), place.url, str(place.settings.data_dir)]
    runs = [
        subprocess.Popen(
            [*command, place.clock().isoformat()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    with place.ledger() as ledger, ledger.retention.remove_month(ACCOUNT, date(2026, 3, 1)):
        for run in runs:
            assert run.stdout is not None
            assert run.stdin is not None
            assert run.stdout.readline() == "ready\n"
            run.stdin.write("go\n")
            run.stdin.flush()
        # Both have found the month due, and wait for the account.
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        deadline = time.monotonic() + 60
        with place.ledger() as other:
            while other.connection.execute(waiting).fetchone() != (2,):
                assert time.monotonic() < deadline
                time.sleep(0.1)
    said = sorted(run.communicate(timeout=60)[0].split("\n")[0] for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert said == ["already 0", "removed 3"]
    with place.ledger() as ledger:
        assert ledger.connection.execute("SELECT records FROM removed_months").fetchall() == [(3,)]
    assert len(list(place.settings.archive_dir.rglob("*.parquet"))) == 1


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Files and folders that anyone but their owner may use."""
    return sorted(path.name for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077)


@pytest.mark.fault("R625")
@pytest.mark.usefixtures("no_umask")
def test_files_with_calls_are_their_owners_whatever_the_umask(tmp_path: Path) -> None:
    upload = tmp_path / "file.csv"
    upload.write_bytes(b"one line\n")
    private = tmp_path / "landing"
    land_window(private)
    land_upload(upload, private)
    pack = tmp_path / "pack"
    heading = [("carrier", "acmetel"), ("account", ACCOUNT), ("day", str(DAY))]
    write_internal_pack([], folder=pack, heading=heading, made_at=datetime(2026, 3, 3, tzinfo=UTC))
    assert len([path for path in private.rglob("*") if path.is_file()]) == 3
    assert open_to_others(private) + open_to_others(pack) == []


@pytest.mark.fault("R625")
@pytest.mark.usefixtures("no_umask")
def test_an_unfinished_daily_file_is_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished: list[int] = []
    rename = os.replace

    def look(source: Any, target: Any) -> None:
        unfinished.append(stat.S_IMODE(Path(source).stat().st_mode))
        rename(source, target)

    opened = os.open
    modes: list[int] = []

    def open_(path: Any, flags: int, mode: int = 0o777, **kwargs: Any) -> int:
        if str(path).endswith(".part"):
            modes.append(mode)
        return opened(path, flags, mode, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_)
        patch.setattr(os, "replace", look)
        path = write(tmp_path / "exports", records({})).path
    assert set(modes) == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    publish(path, write(tmp_path / "exports", records({})).sha256, manifest_path(path).read_bytes())
    assert stat.S_IMODE(path.stat().st_mode) == 0o440


@pytest.mark.fault("R625")
@pytest.mark.usefixtures("no_umask")
def test_rejects_and_settings_are_written_for_their_owner(command: RunContext, tmp_path: Path) -> None:
    loaded = fed(command, tmp_path / "file.csv", carrier_text(1, 2, start="soon"))
    out = tmp_path / "rejects.csv"
    rejects_command.export(loaded.sha256, file=out)
    write_deployment(DeploymentRequest(tmp_path / "out", "root", "/var/lib/cdr", "/etc/cdr", "/opt/venv"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (out, tmp_path / "out" / "cdr.env")] == [0o600, 0o600]


def refusal(settings: Settings) -> Rejection | None:
    """Why the only channel of the settings does not accept an alert."""
    (channel,) = alert_channels(settings)
    return channel.send(ALERT, datetime.now(UTC))


def mailed(settings: Settings, url: str) -> Settings:
    secret = url.replace("smtp://", "smtp://night:CANARY_PASSWORD@")
    return settings.model_copy(update={"alert_smtp_url": SecretStr(secret), "alert_mail_to": "night@example.com"})


@pytest.mark.fault("R626")
def test_a_password_of_mail_is_never_sent_without_tls(settings: Settings) -> None:
    with mail_server() as taken:
        refused = refusal(mailed(settings, taken.url))
    assert refused is not None
    assert "offers no STARTTLS" in refused.cause
    assert (taken.bodies, [line for line in taken.lines if line.startswith(("AUTH", "MAIL"))]) == ([], [])
    assert refused.permanent
    assert "smtps://" in refused.cause
    assert "CANARY" not in refused.cause


@pytest.mark.fault("R626")
def test_a_password_of_mail_is_sent_after_starttls(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    with mail_server(certificate=certificate) as taken:
        untrusted = refusal(mailed(settings, taken.url))
        assert untrusted is not None
        assert "SSLCertVerificationError" in untrusted.cause
        assert not [line for line in taken.lines if line.startswith("AUTH")]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert refusal(mailed(settings, taken.url)) is None
    assert len(taken.bodies) == 1
    assert [line.split()[0] for line in taken.encrypted][:2] == ["ehlo", "AUTH"]


@pytest.mark.fault("R626")
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("smtp://night@mail.example", "both user and password"),
        ("smtp://", "must name a host"),
        ("smtps://mail.example:99999", "must name a host, and a port"),
        ("mail.example", "must start with smtp:// or smtps://"),
    ],
)
def test_a_wrong_mail_server_is_named_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, url: str, problem: str
) -> None:
    monkeypatch.setenv("CDR_ALERT_SMTP_URL", url)
    reports, settings = inspect_settings()
    (report,) = (report for report in reports if report.variable == "CDR_ALERT_SMTP_URL")
    assert settings is None
    assert problem in report.problem
