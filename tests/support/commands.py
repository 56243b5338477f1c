"""The command line in the test's own process: what a new process would only import, is imported already.

Where the process itself is tested (its end, its signals, what it imports), tests start one.
"""

import io
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import cache

import pytest
import typer

from cdr_pipeline import cli
from cdr_pipeline.cli import registry

_register = registry.register


@cache
def _register_once(app: typer.Typer) -> None:
    _register(app)


def run_command(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs ``cdr-pipeline`` with these arguments.

    Args:
        arguments: command and its options.
        environment: variables to set while it runs.
    """
    output, errors, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["cdr-pipeline", *arguments])
        patch.setattr(registry, "register", lambda app, _: _register_once(app))
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())
