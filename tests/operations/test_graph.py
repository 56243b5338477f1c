"""The graph that Dagster shows, as an operator reads it."""

import re
from pathlib import Path

import dagster as dg
import pytest

import cdr_pipeline
from cdr_pipeline.core.fields.dictionary import FIELDS
from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.columns import file_columns, file_lineage, page_columns, record_columns, record_lineage
from cdr_pipeline.settings import Settings
from tests.support.graph_text import APPROVED, graph_text


@pytest.fixture
def definitions() -> dg.Definitions:
    return build_definitions(Settings(api_url="https://switch.example"))


@pytest.mark.fault("G12")
def test_the_graph_is_the_approved_one(definitions: dg.Definitions) -> None:
    assert graph_text(definitions) == APPROVED.read_text(), "approve it: python tests/support/graph_text.py"


def test_definitions_load_and_every_asset_explains_itself(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description
        assert spec.group_name in ("landing", "warehouse", "finance")
        assert spec.owners
        assert spec.kinds
        assert spec.freshness_policy
        assert spec.metadata["dagster/code_references"]


def test_every_check_job_schedule_and_sensor_explains_itself(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    graph = repository.asset_graph
    said = {key.to_user_string(): graph.get_check_spec(key).description for key in graph.asset_check_keys}
    said |= {job.name: job.description for job in repository.get_all_jobs() if not job.name.startswith("__")}
    said |= {item.name: item.description for item in [*repository.schedule_defs, *repository.sensor_defs]}
    assert [name for name, description in said.items() if not description] == []


def test_columns_are_documented_by_the_field_dictionary() -> None:
    documented = {column.name: column.description or "" for column in record_columns().columns}
    assert documented.keys() == {field.name for field in FIELDS}
    assert all(documented[field.name].startswith(field.description) for field in FIELDS)


def test_columns_name_what_they_come_from_for_a_ui_without_their_lineage() -> None:
    records = {column.name: column.description or "" for column in record_columns().columns}
    files = {column.name: column.description or "" for column in file_columns().columns}
    assert records["hangup_cause"].endswith(" From api_pages.hangup_cause.")
    assert files["hangup_cause"].endswith(" From cdr.hangup_cause.")


def test_column_lineage_leads_from_files_to_the_switchs_keys() -> None:
    files, records = file_lineage().deps_by_column, record_lineage().deps_by_column
    exported = {field.name for field in FIELDS if field.exported}
    assert files.keys() == exported
    known = {column.name for column in page_columns().columns}
    assert {dep.column_name for deps in records.values() for dep in deps} == known
    assert [dep.column_name for dep in records["hangup_cause"]] == ["hangup_cause"]


def test_pools_are_of_the_switchs_host_inbound_and_the_warehouse(definitions: dg.Definitions) -> None:
    pools = {
        pool
        for key in definitions.get_repository_def().asset_graph.materializable_asset_keys
        for pool in definitions.get_repository_def().asset_graph.get(key).pools or ()
    }
    assert pools == {"switch/switch.example", "inbound", "warehouse"}


def test_only_one_module_imports_private_names_of_dagster() -> None:
    package = Path(cdr_pipeline.__file__).parent
    importing = [
        str(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        if re.search(r"^\s*(from|import) dagster(_\w+)?\._", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert importing == ["defs/dagster_private.py"]
