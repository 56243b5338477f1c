import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.exports.delivery.targets import load_targets
from cdr_pipeline.files.extras import missing_extra, require_extra
from cdr_pipeline.files.store import parse_url
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.inbound.places import load_places
from cdr_pipeline.steps.operations.alert_channels import alert_channels

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
# Every library of an extra, and those that only they bring.
LIBRARIES = (
    "apprise", "adlfs", "azure", "gcsfs", "google.cloud", "authlib", "joserfc", "s3fs", "aiobotocore", "botocore",
    "sshfs", "asyncssh", "celery", "dagster_celery", "dagster_k8s", "dagster_postgres", "kubernetes", "redis",
)  # fmt: skip
# These modules are imported only where an extra is configured.
OF_EXTRAS = (
    "cdr_pipeline.sources.inbound.sftp_place", "cdr_pipeline.sources.identity.oidc",
    "cdr_pipeline.defs.celery_app", "cdr_pipeline.defs.celery_worker", "cdr_pipeline.__main__",
)  # fmt: skip
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in {libraries!r}:
    sys.modules[name] = None
import cdr_pipeline
for found in pkgutil.walk_packages(cdr_pipeline.__path__, "cdr_pipeline."):
    if found.name not in {of_extras!r}:
        importlib.import_module(found.name)
"""


def test_every_other_module_is_imported_without_any_extra() -> None:
    code = IMPORT_ALL.format(libraries=LIBRARIES, of_extras=OF_EXTRAS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("extra", ["alerts", "azure", "google", "oidc", "s3", "sftp"])
def test_an_extra_is_in_the_project_and_its_command_installs_it(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    assert missing_extra(extra) == ""
    for library in LIBRARIES:
        monkeypatch.setitem(sys.modules, library, None)
    assert extra in extras
    assert missing_extra(extra) == f"python -m pip install 'cdr-pipeline[{extra}]'"
    with pytest.raises(ConfigurationError, match="is not installed") as raised:
        require_extra(extra, "CDR_SETTING")
    assert f"cdr-pipeline[{extra}]" in raised.value.hint


@pytest.mark.parametrize("kind", ["s3", "sftp"])
def test_a_target_without_its_library_is_refused_by_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "targets.toml").write_text(f'[finance]\nurl = "{kind}://host/folder"\nknown_hosts = "known"\n')
    assert [target.kind for target in load_targets(tmp_path / "targets.toml")] == [kind]
    monkeypatch.setitem(sys.modules, {"s3": "s3fs", "sftp": "sshfs"}[kind], None)
    with pytest.raises(ConfigurationError, match=f"target finance: {kind}://"):
        load_targets(tmp_path / "targets.toml")


def test_a_place_without_its_library_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inbound.toml").write_text(
        '[carrier]\nurl = "s3://bucket/out"\npattern = "*.csv"\naccount = "a"\nprofile = "generic"\n'
    )
    assert [place.kind for place in load_places(tmp_path / "inbound.toml")] == ["s3"]
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigurationError, match="place carrier: s3://"):
        load_places(tmp_path / "inbound.toml")


def test_alerts_to_services_need_their_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDR_ALERT_URLS", "slack://a/b/c")
    settings = Settings(data_dir=tmp_path)
    assert len(alert_channels(settings)) == 1
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError, match="CDR_ALERT_URLS"):
        alert_channels(settings)


def test_a_store_without_its_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ValueError, match=r"cdr-pipeline\[s3\]"):
        parse_url("s3://bucket/folder")
