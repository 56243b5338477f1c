"""The executor is a matter of configuration, and a wrong configuration is found before the night."""

import sys
from pathlib import Path

import pytest

from cdr_pipeline.defs.executors import executor_config, executor_for
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings import Settings


def chosen(folder: Path, executor: str, config: str | None = None) -> Settings:
    """Settings with an executor and the text of its file."""
    file = folder / "executor.yaml"
    if config is not None:
        file.write_text(config)
    return Settings(data_dir=folder).model_copy(
        update={"executor": executor, "executor_config": None if config is None else file}
    )


@pytest.mark.parametrize("name", ["in_process", "multiprocess"])
def test_dagsters_own_executors_need_nothing_else(tmp_path: Path, name: str) -> None:
    assert executor_for(chosen(tmp_path, name)).name == name


def test_a_file_configures_the_executor(tmp_path: Path) -> None:
    executor = executor_for(chosen(tmp_path, "multiprocess", "execution: {config: {max_concurrent: 2}}"))
    assert executor.name == "multiprocess"
    with pytest.raises(ConfigurationError, match="max_concurent"):
        executor_for(chosen(tmp_path, "multiprocess", "execution: {config: {max_concurent: 2}}"))


@pytest.mark.parametrize(
    "text", ["broker: redis://h", "execution: {broker: redis://h}", "execution:", "- a", "", "{", "execution: [config]"]
)
def test_a_file_that_celery_would_ignore_in_silence_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "flat.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"flat\.yaml"):
        executor_config(tmp_path / "flat.yaml")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        executor_config(tmp_path / "nowhere.yaml")


def test_values_of_the_file_are_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        executor_for(chosen(tmp_path, "multiprocess", "execution: {config: {max_concurrent: CANARY_PASSWORD}}"))
    assert "max_concurrent" in raised.value.message
    assert "CANARY" not in raised.value.message


@pytest.mark.parametrize(("name", "module"), [("celery", "dagster_celery"), ("k8s", "dagster_k8s")])
def test_an_executor_whose_extra_is_missing_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=module) as raised:
        executor_for(chosen(tmp_path, name))
    assert f"[{name}]" in raised.value.hint


@pytest.mark.parametrize(("name", "module"), [("celery", "dagster_celery"), ("k8s", "dagster_k8s")])
def test_the_shipped_file_is_what_the_executor_takes(tmp_path: Path, name: str, module: str) -> None:
    pytest.importorskip(module, reason=f"the extra {name} is not installed")
    shipped = Path(__file__).parents[2] / "cdr_pipeline" / "deployment" / f"executor.{name}.yaml"
    assert executor_for(chosen(tmp_path, name, shipped.read_text())).name == name
