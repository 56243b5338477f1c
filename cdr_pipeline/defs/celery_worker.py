"""Starts a Celery worker in place of this process: ``python -m cdr_pipeline.defs.celery_worker --name one``.

``dagster-celery worker start`` starts the worker as a child and ends at SIGTERM without it, so that a service manager
kills the child in mid-step. Here the worker is the process itself: at SIGTERM it takes no new step, finishes the one
that it runs, and exits.
"""

import argparse
import os
import sys

from cdr_pipeline.settings import load_settings, subprocess_environment


def main() -> None:
    """Replaces this process by a Celery worker; further arguments are passed to it."""
    from dagster_celery.cli import get_config_dir  # noqa: PLC0415 - an optional extra

    parser = argparse.ArgumentParser(prog="python -m cdr_pipeline.defs.celery_worker", description=__doc__)
    parser.add_argument("--name", required=True, help="name of the worker, unique on its machine")
    parser.add_argument("--config-yaml", required=True, help="the file of CDR_EXECUTOR_CONFIG")
    asked, others = parser.parse_known_args()
    environment = subprocess_environment(load_settings())
    paths = [environment.get("PYTHONPATH", ""), get_config_dir(asked.config_yaml)]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    celery = [sys.executable, "-m", "celery", "-A", "cdr_pipeline.defs.celery_app", "worker", "--prefetch-multiplier=1"]
    arguments = ["--loglevel", "INFO", "-n", f"{asked.name}@%h", *(word for word in others if word != "--")]
    # No shell; the arguments are those of the administrator.
    os.execve(sys.executable, [*celery, *arguments], environment)  # noqa: S606


if __name__ == "__main__":
    main()
