"""The graph as text: what a person approves. ``python tests/support/graph_text.py`` writes the approved file anew."""

import warnings
from pathlib import Path

import dagster as dg

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.settings import Settings

APPROVED = Path(__file__).parents[1] / "golden/dagster_graph.txt"


def graph_text(definitions: dg.Definitions) -> str:
    """Keys, dependencies, groups, kinds, owners, pools, checks, jobs, schedules and sensors, a line each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        repository = definitions.get_repository_def()
    graph = repository.asset_graph
    lines: list[str] = []
    for key in sorted(graph.materializable_asset_keys):
        node = graph.get(key)
        spec = next(spec for spec in definitions.resolve_all_asset_specs() if spec.key == key)
        lines += [
            f"asset {key.to_user_string()}",
            f"  after: {', '.join(sorted(parent.to_user_string() for parent in node.parent_keys)) or '-'}",
            f"  group: {node.group_name}; kinds: {', '.join(sorted(spec.kinds))}; owners: {', '.join(spec.owners)}",
            f"  columns: {'documented' if _columns(spec) else '-'}",
            f"  pools: {', '.join(sorted(node.pools or ())) or '-'}",
            f"  fresh: {spec.freshness_policy}",
        ]
    for key in sorted(graph.asset_check_keys):
        lines.append(f"check {key.asset_key.to_user_string()}: {key.name}")
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        if not job.name.startswith("__"):
            keys = sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
            lines.append(f"job {job.name}: {', '.join(keys) or 'no asset'}")
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        lines.append(
            f"schedule {schedule.name}: {schedule.cron_schedule} {schedule.execution_timezone} -> {schedule.job_name}"
        )
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        lines.append(f"sensor {sensor.name}: {sensor.default_status.value}")
    return "\n".join(lines) + "\n"


def _columns(spec: dg.AssetSpec) -> list[dg.TableColumn]:
    schema = spec.metadata.get("dagster/column_schema")
    return [] if schema is None else list(getattr(schema, "value", schema).columns)


if __name__ == "__main__":
    APPROVED.write_text(graph_text(build_definitions(Settings(api_url="https://switch.example"))))
