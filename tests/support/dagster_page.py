"""Dagster's web server, daemon and code in one process, so that a test of the page does not wait for five.

Web server, daemon and runs are Dagster's own. What differs from ``cdr-pipeline up``: the code is not behind a code
server, a run is executed by the thread that takes it from the queue, and the daemon looks for work every half second
instead of every 5 to 30 seconds.

Usage: dagster_page.py PORT; settings come from the environment. Ends when standard input ends.
"""

import os
import sqlite3
import sys
import threading

import dagster._daemon.controller as daemon_controller
import dagster._daemon.sensor as sensor_daemon
import stamina
import uvicorn
import yaml
from dagster import DagsterInstance
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.controller import daemon_controller_from_instance
from dagster._daemon.daemon import BackfillDaemon, DagsterDaemon, SensorDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_webserver.app import create_app_from_workspace_process_context
from sqlalchemy import event
from sqlalchemy.engine import Engine

from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.settings import Settings, bundled, load_settings

# Only this sensor runs: others would start runs of their own.
SENSOR = "alert_on_failed_run"
_SECONDS = 0.5
# Evaluating the sensor takes longer than looking for runs.
_SENSOR_SECONDS = 3


@event.listens_for(Engine, "connect")
def _no_flushing(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def prepared_home(settings: Settings) -> None:
    """The ``dagster.yaml`` of the product, with runs in this process."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((bundled("dagster_home") / "dagster.yaml").read_text("utf-8"))
    config["run_launcher"] = {"module": "dagster._core.launcher.sync_in_memory_run_launcher",
                              "class": "SyncInMemoryRunLauncher"}  # fmt: skip
    # Capturing the output of steps takes two more processes for each run.
    config["compute_logs"] = {"module": "dagster._core.storage.noop_compute_log_manager",
                              "class": "NoOpComputeLogManager"}  # fmt: skip
    # One run at a time has this process.
    config["concurrency"]["runs"]["max_concurrent_runs"] = 1
    (settings.dagster_home / "dagster.yaml").write_text(yaml.safe_dump(config), "utf-8")


def daemons(instance: DagsterInstance) -> list[DagsterDaemon]:
    """Those that a run from the page needs, in a hurry."""
    return [
        QueuedRunCoordinatorDaemon(interval_seconds=_SECONDS),
        BackfillDaemon(settings=instance.get_backfill_settings()),
        SensorDaemon(settings=instance.get_sensor_settings()),
    ]


def main(port: int) -> None:
    """Serves the page until standard input ends."""
    # A switch that fails is not asked for minutes.
    stamina.set_testing(True, attempts=2, cap=True)
    settings = load_settings()
    prepared_home(settings)
    daemon_controller.DEFAULT_DAEMON_INTERVAL_SECONDS = _SECONDS
    sensor_daemon.MIN_INTERVAL_LOOP_TIME = _SENSOR_SECONDS
    sensor_daemon.is_under_min_interval = lambda *_, **__: False
    code = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(executable_path=sys.executable, module_name="cdr_pipeline.definitions"),
        location_name="cdr_pipeline",
    )
    workspace = InProcessWorkspaceLoadTarget(code)
    with open_instance(settings) as instance, WorkspaceProcessContext(instance, workspace) as context:
        with context.create_request_context() as request:
            for sensor in request.code_locations[0].get_repositories()["__repository__"].get_sensors():
                if sensor.name != SENSOR:
                    instance.stop_sensor(sensor.get_remote_origin_id(), sensor.selector_id, sensor)
        with daemon_controller_from_instance(instance, workspace, gen_daemons=daemons, log_level="warning"):
            app = create_app_from_workspace_process_context(context)
            server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning"))
            threading.Thread(target=_end_with_stdin, args=[server], daemon=True).start()
            server.run()
    # Threads of Dagster may still hold a run.
    os._exit(0)


def _end_with_stdin(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main(int(sys.argv[1]))
