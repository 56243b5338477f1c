"""Commands that people type many times a day do not load libraries that they do not need."""

import os
import subprocess
import sys

# Orchestration, frames, matching, migrations, servers and clients.
HEAVY = {
    "dagster", "polars", "numpy", "pandera", "scipy", "sqlalchemy", "alembic", "fastapi", "uvicorn", "httpx2",
    "xlsxwriter", "psycopg", "phonenumbers",
}  # fmt: skip
PROGRAM = """
import io, sys
from contextlib import redirect_stdout
from cdr_pipeline.cli import main

for command in ("--help", "status"):
    sys.argv = ["cdr-pipeline", command]
    shown = io.StringIO()
    try:
        with redirect_stdout(shown):
            main()
    except SystemExit as ended:
        assert not ended.code, ended.code
    assert len(shown.getvalue()) > 20, command
    print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_help_and_status_load_no_library_that_they_do_not_need(warehouse_url: str) -> None:
    environment = os.environ | {"CDR_WAREHOUSE_URL": warehouse_url}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    helped, listed = (set(line.split()) for line in done.stdout.splitlines())
    assert helped & (HEAVY | {"pydantic"}) == set()
    # Lists are read from the warehouse, with its driver.
    assert listed & HEAVY == {"psycopg"}
