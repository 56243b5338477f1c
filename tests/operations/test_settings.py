import sys
from pathlib import Path

import pytest

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings import inspect_settings, load_settings, subprocess_environment


def test_defaults_need_nothing() -> None:
    assert load_settings().time_zone == "UTC"


def test_the_environment_wins_over_the_dotenv_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CDR_TIME_ZONE=Europe/Berlin\nCDR_NIGHTLY_AT=03:00\n")
    monkeypatch.setenv("CDR_TIME_ZONE", "Asia/Tokyo")
    settings = load_settings()
    assert (settings.time_zone, settings.nightly_at) == ("Asia/Tokyo", "03:00")
    sources = {report.variable: report.source for report in inspect_settings()[0]}
    assert (sources["CDR_TIME_ZONE"], sources["CDR_NIGHTLY_AT"]) == ("environment", ".env")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CDR_TIME_ZONE", "Mars/Olympus"),
        ("CDR_API_URL", "http://switch.example.com"),
        ("CDR_API_URL", "https://user:secret@switch.example.com"),
        ("CDR_WAREHOUSE_URL", "mysql://x"),
        ("CDR_NIGHTLY_AT", "25:00"),
        ("CDR_DATA_DIR", "gs://bucket/data"),
        ("CDR_API_DIALECT", "V 9"),
        ("CDR_UPSTREAM", "a switch"),
        ("CDR_TIMEZONE", "UTC"),
        ("PANDERA_VALIDATION_ENABLED", "False"),
        ("PANDERA_VALIDATION_DEPTH", "SCHEMA_ONLY"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load_settings()


@pytest.mark.fault("A12")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.9.1"])
def test_plain_http_is_for_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("CDR_API_URL", f"http://{host}:8090/")
    assert load_settings().api_url == f"http://{host}:8090"


@pytest.mark.fault("A12")
@pytest.mark.parametrize("host", ["10.0.0.1", "127.evil.example", "localhost.evil.example", "switch.example.com"])
def test_to_other_machines_only_when_someone_says_so(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("CDR_API_URL", f"http://{host}")
    with pytest.raises(ConfigurationError, match="CDR_API_URL"):
        load_settings()
    monkeypatch.setenv("CDR_API_SEND_TOKEN_UNENCRYPTED", "true")
    assert load_settings().api_url == f"http://{host}"


@pytest.mark.parametrize("variable", ["CDR_API_TOKEN", "CDR_API_KEY", "CDR_API_PASSWORD", "CDR_WAREHOUSE_URL"])
def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "postgresql://u:CANARY_SECRET@h/d")
    reports, settings = inspect_settings()
    assert "CANARY_SECRET" not in repr(reports) + repr(settings)


def test_a_wrong_secret_is_not_shown_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDR_WAREHOUSE_URL", "mysql://u:CANARY_SECRET@h/d")
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert "CANARY_SECRET" not in str(raised.value)


def test_a_wrong_setting_leaves_the_others_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDR_API_URL", "https://user:CANARY_SECRET@switch.example.com")
    monkeypatch.setenv("CDR_API_KEY", "CANARY_KEY")
    monkeypatch.setenv("CDR_TIME_ZONE", "Asia/Tokyo")
    reports, settings = inspect_settings()
    values = {report.variable: report.value for report in reports}
    assert settings is None
    assert (values["CDR_TIME_ZONE"], values["CDR_NIGHTLY_AT"]) == ("Asia/Tokyo", "02:30")
    assert (values["CDR_API_URL"], values["CDR_API_KEY"]) == ("(invalid)", "********")
    assert "CANARY" not in repr(reports)


def test_data_in_an_object_store_needs_a_warehouse_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", "s3://bucket/data")
    with pytest.raises(ConfigurationError, match=r"CDR_DATA_DIR: is in an object store.*set CDR_WAREHOUSE_URL to"):
        load_settings()
    monkeypatch.setenv("CDR_WAREHOUSE_URL", "postgresql://host.example/cdr")
    settings = load_settings()
    assert str(settings.export_dir) == "s3://bucket/data/exports"
    assert subprocess_environment(settings)["CDR_DATA_DIR"] == "s3://bucket/data"


def test_a_wrong_warehouse_is_not_also_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", "s3://bucket/data")
    monkeypatch.setenv("CDR_WAREHOUSE_URL", "mysql://x")
    assert [report.variable for report in inspect_settings()[0] if report.problem] == ["CDR_WAREHOUSE_URL"]


def test_other_object_stores_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", "https://store.example/data")
    with pytest.raises(ConfigurationError, match="a URL that begins with s3:// or abfs:// or gs://"):
        load_settings()


def test_a_store_without_its_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adlfs", None)
    monkeypatch.setenv("CDR_DATA_DIR", "abfs://container/data")
    with pytest.raises(ConfigurationError, match=r"pip install 'cdr-pipeline\[azure\]'"):
        load_settings()


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("s3://CANARY_KEY:CANARY@bucket/data", "s3://BUCKET/FOLDER"),
        ("s3://bucket/data?key=CANARY", "s3://BUCKET/FOLDER"),
        ("s3:///data", "s3://BUCKET/FOLDER"),
        ("abfs://container@CANARY.dfs.example/data", "abfs://CONTAINER/FOLDER"),
        ("gs://bucket/data?key=CANARY", "gs://BUCKET/FOLDER"),
    ],
)
def test_the_url_of_a_store_has_a_bucket_and_no_secrets(monkeypatch: pytest.MonkeyPatch, url: str, form: str) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", url)
    with pytest.raises(ConfigurationError, match=form) as raised:
        load_settings()
    assert "CANARY" not in str(raised.value)


def test_alerts_without_a_warehouse_stay_on_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", "s3://bucket/data")
    monkeypatch.setenv("CDR_WAREHOUSE_URL", "postgresql://host.example/cdr")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    assert load_settings().alert_dir == tmp_path / "home" / "alerts"
