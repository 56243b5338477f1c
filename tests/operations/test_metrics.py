"""Figures for Prometheus, and the forecast of the disk that they share with doctor, status and alerts."""

import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from cdr_pipeline.cli.operations.docs import FOLDER
from cdr_pipeline.steps.operations.disk import DiskForecast, disk_forecasts
from cdr_pipeline.steps.operations.figures import figures
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from tests.support.days import DAY, collected, deliver, export
from tests.support.serving import serving

DASHBOARD = FOLDER / "examples" / "grafana_dashboard.json"
NAMES = re.compile(r"\bcdr_[a-z_]+\b")


@pytest.fixture
def filled(ctx: RunContext) -> RunContext:
    """An account whose day is collected and exported; the night after it is missing."""
    ctx = replace(
        ctx,
        settings=ctx.settings.model_copy(update={"first_date": str(DAY), "metrics_token": SecretStr("scrape")}),
        clock=lambda: datetime(2026, 3, 4, 12, tzinfo=UTC),
    )
    collected(ctx)
    deliver(ctx, {"record_id": "a"}, {"record_id": "b"})
    export(ctx)
    return ctx


def values(ctx: RunContext) -> dict[str, dict[str, float]]:
    return {figure.name: figure.values for figure in figures(ctx)}


def test_figures_show_nights_problems_and_disks(filled: RunContext) -> None:
    found = values(filled)
    assert found["cdr_accounts"] == {"": 1}
    assert (found["cdr_nights_due"], found["cdr_accounts_not_collected"]) == ({"": 1}, {"": 1})
    whole = found["cdr_newest_complete_night_timestamp_seconds"][""]
    assert datetime.fromtimestamp(whole, UTC).date() == DAY
    assert found["cdr_problems"]["night_missing"] == 1
    assert found["cdr_oldest_problem_age_seconds"][""] > 0
    (disk,) = found["cdr_disk_daily_bytes"]
    assert found["cdr_disk_daily_bytes"][disk] > 500
    assert found["cdr_disk_days_left"][disk] > 1000


def test_metrics_need_the_token_and_the_dashboard_uses_only_them(filled: RunContext) -> None:
    with serving(filled) as served:
        url = f"{served.url}/metrics"
        assert "cdr_nights_due" not in httpx2.get(url).text
        assert httpx2.get(url, headers={"Authorization": "Bearer other"}).status_code == 401
        text = httpx2.get(url, headers={"Authorization": "Bearer scrape"}).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["cdr_warehouse_up"].samples[0].value == 1
    assert "acct" not in text
    known = {sample.name for family in families.values() for sample in family.samples} | set(families)
    # Without requests, deliveries and alerts there are no samples of these.
    known |= {"cdr_api_requests_total", "cdr_api_request_seconds_bucket"}
    used = {
        name
        for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]
        for target in panel["targets"]
        for name in NAMES.findall(target["expr"])
    }
    assert used <= known
    assert used >= {name for name in families if not name.startswith("cdr_api_")}


def test_a_disk_that_fills_up_is_a_problem_before_it_is_full(
    filled: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "disk_full_soon" not in {item.code for item in find_problems(filled)}
    with filled.ledger() as ledger:
        (forecast,) = disk_forecasts(ledger, filled)
    free = int(forecast.daily_bytes * 3)
    monkeypatch.setattr("cdr_pipeline.steps.operations.disk.LEAST_FREE_BYTES", 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=free))
    (problem,) = (item for item in find_problems(filled) if item.code == "disk_full_soon")
    assert "full in about 3 days" in problem.what
    assert problem.topic.startswith("disk_full_soon: disk of /")


def test_a_nearly_full_disk_is_short_without_any_growth() -> None:
    assert DiskForecast(Path("/data"), 10**6, 10**12, ["data folder"]).is_short(14)
    assert not DiskForecast(Path("/data"), 10**11, 10**12, ["data folder"]).is_short(14)
