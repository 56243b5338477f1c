"""The files of a production set-up are what the programs that read them take."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.instance.config import dagster_instance_config

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings import Settings, variable_of
from cdr_pipeline.steps.operations.write_deployment import DeploymentRequest, write_deployment

ROOT = Path(__file__).parents[2]


def request(folder: Path, **changes: object) -> DeploymentRequest:
    places = {"user": "root", "home": "/var/lib/cdr", "config": "/etc/cdr", "venv": "/opt/cdr/venv"}
    return DeploymentRequest(folder, **(places | changes))  # type: ignore[arg-type]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_deployment(request(tmp_path / "out"))
    return tmp_path / "out"


def test_every_place_is_filled_in(written: Path) -> None:
    files = [path for path in written.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path.name for path in files if re.search(r"@[A-Z]+@", path.read_text())] == []


def test_a_second_write_changes_nothing_and_keeps_edited_files(written: Path) -> None:
    again = write_deployment(request(written))
    assert len(again) == len([path for path in written.rglob("*") if path.is_file()])
    (written / "cdr.env").write_text("CDR_API_KEY=mine\n")
    with pytest.raises(ConfigurationError, match=r"cdr\.env"):
        write_deployment(request(written, user="other"))
    assert "User=root" in (written / "systemd" / "cdr-ui.service").read_text()
    write_deployment(request(written, user="other", overwrite=True))
    assert "User=other" in (written / "systemd" / "cdr-ui.service").read_text()


@pytest.mark.parametrize("place", ["/a b", "/a%b", "$HOME", "a;b", "", "a\nb"])
def test_places_that_a_unit_file_cannot_hold_are_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ConfigurationError, match="home"):
        write_deployment(request(tmp_path / "out", home=place))
    assert not (tmp_path / "out").exists()


def test_every_yaml_file_loads(written: Path) -> None:
    for path in written.glob("*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_dagster_accepts_the_instance_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_STORAGE_URL", "postgresql+psycopg2://dagster@localhost/dagster")
    config, _ = dagster_instance_config(str(written))
    assert config["storage"] == {"postgres": {"postgres_url": {"env": "DAGSTER_STORAGE_URL"}}}
    assert config["run_monitoring"]["enabled"]
    assert config["run_retries"] == {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False}
    assert config["concurrency"]["pools"]["default_limit"] == 1


def test_the_instance_opens_with_everything_but_its_storage(written: Path, tmp_path: Path) -> None:
    """The storage needs a server and an extra; the test of the Celery workers opens it."""
    config = yaml.safe_load((written / "dagster.yaml").read_text())
    del config["storage"]
    config["compute_logs"]["config"]["base_dir"] = str(tmp_path / "logs")
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    with DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        assert instance.run_monitoring_enabled
        assert (instance.run_retries_enabled, instance.run_retries_max_retries) == (True, 0)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    for name in ("dagster", "dagster-daemon", "dagster-webserver", "python", "cdr-pipeline"):
        (venv / "bin" / name).symlink_to(shutil.which("true") or "/bin/true")
    write_deployment(request(tmp_path / "out", venv=str(venv)))
    units = sorted(map(str, (tmp_path / "out" / "systemd").iterdir()))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_variables_of_the_environment_file_are_settings(written: Path) -> None:
    known = {variable_of(name) for name in Settings.model_fields}
    names = re.findall(r"^#?([A-Z_]+)=", (written / "cdr.env").read_text(), re.MULTILINE)
    assert len(names) > 8
    assert [name for name in names if name.startswith("CDR_") and name not in known] == []
    read = {name for path in written.glob("*.yaml") for name in re.findall(r"env: (\w+)", path.read_text())}
    assert read <= set(names)


def test_the_container_file_takes_only_what_the_code_has(written: Path) -> None:
    lines = (written / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    known = {"FROM", "ARG", "ENV", "COPY", "RUN", "USER", "WORKDIR", "VOLUME", "EXPOSE", "CMD"}
    assert {line[0] for line in words} <= known
    assert (ROOT / "constraints.txt").is_file()
    assert "CMD" in words[-1]
