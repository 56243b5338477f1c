"""The Kubernetes files are valid, complete and fit the settings, the image and Dagster's configuration."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config

from cdr_pipeline.settings import Settings, variable_of
from tests.operations.test_deployment import ROOT

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
FOLDER = ROOT / "cdr_pipeline" / "deployment" / "kubernetes"
VARIANTS = ("base", "migrate", "workers")
VERSION = "1.29"
_SKIPPED = ("kustomization.yaml", "dagster.yaml", "workspace.yaml")
_KUBECTL = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def _resources() -> list[tuple[str, Any]]:
    return [
        (f"{path.parent.name}/{path.name}: {resource['kind']}", resource)
        for path in sorted(FOLDER.rglob("*.yaml"))
        if path.name not in _SKIPPED
        for resource in yaml.safe_load_all(path.read_text())
    ]


def _rendered(variant: str) -> list[Any]:
    done = subprocess.run(["kubectl", "kustomize", FOLDER / variant], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def _pods(resources: list[Any]) -> list[Any]:
    return [resource["spec"]["template"]["spec"] for resource in resources if resource["kind"] in ("Deployment", "Job")]


@pytest.mark.parametrize("resource", [pytest.param(resource, id=name) for name, resource in _resources()])
def test_a_resource_has_the_shape_of_its_kind(resource: Any) -> None:
    kubernetes_validate.validate(resource, VERSION, strict=True)


@_KUBECTL
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_kustomize_renders_is_valid(variant: str) -> None:
    rendered = _rendered(variant)
    for resource in rendered:
        kubernetes_validate.validate(resource, VERSION, strict=True)
        if resource["kind"] != "Namespace":
            assert resource["metadata"]["namespace"] == "cdr"


@_KUBECTL
def test_runs_have_the_image_of_the_code_server() -> None:
    containers = [pod["containers"][0] for pod in _pods(_rendered("base"))]
    images = {container["image"] for container in containers}
    given = [env["value"] for container in containers for env in container.get("env", ())]
    assert images == set(given) == {"registry.example/cdr-pipeline:1"}


def test_every_container_is_bounded_and_unprivileged() -> None:
    pods = _pods([resource for _, resource in _resources()])
    assert len(pods) == 6
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


def test_volumes_services_and_policies_name_what_exists() -> None:
    resources = [resource for _, resource in _resources()]
    names = {resource["metadata"]["name"] for resource in resources if resource["kind"] == "Deployment"}
    claims = {resource["metadata"]["name"] for resource in resources if resource["kind"] == "PersistentVolumeClaim"}
    for resource in resources:
        if resource["kind"] == "Service":
            assert set(resource["spec"]["selector"].values()) <= names
    for pod in _pods(resources):
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes
        assert {
            v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v
        } <= claims


def test_no_secret_is_in_the_files_and_every_variable_is_a_setting() -> None:
    texts = {path: path.read_text() for path in FOLDER.rglob("*.yaml")}
    assert [path.name for path, text in texts.items() if "kind: Secret" in text] == []
    known = {variable_of(name) for name in Settings.model_fields} | {"HOME"}
    for variant in ("base", "workers"):
        generators = yaml.safe_load((FOLDER / variant / "kustomization.yaml").read_text())["configMapGenerator"]
        given = {line.partition("=")[0] for item in generators for line in item.get("literals", ())}
        assert given <= known


def test_the_user_of_the_pods_is_the_user_of_the_image() -> None:
    users = {pod["securityContext"]["runAsUser"] for pod in _pods([resource for _, resource in _resources()])}
    (user,) = users
    assert f"--uid {user} " in (FOLDER.parent / "Containerfile").read_text()


def test_dagster_accepts_the_instance_on_kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = pytest.importorskip("dagster_k8s", reason="the extra k8s is not installed").K8sRunLauncher
    monkeypatch.setenv("DAGSTER_STORAGE_URL", "postgresql+psycopg2://dagster@localhost/dagster")
    shutil.copy(FOLDER / "base" / "dagster.yaml", tmp_path / "dagster.yaml")
    config, _ = dagster_instance_config(str(tmp_path))
    checked = process_config(resolve_to_config_type(launcher.config_type()), config["run_launcher"]["config"])
    assert checked.success, checked.errors
