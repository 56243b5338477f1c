"""The OpenAPI document and the API agree: schemathesis sends what the document allows, and what it does not."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.serving import Served, token_for

# By hand: CDR_TEST_SCHEMA_CASES=200 pytest -m slow tests/api/test_api_schema.py
CASES = os.environ.get("CDR_TEST_SCHEMA_CASES", "1")
PHASES = "examples,fuzzing" if CASES == "1" else "examples,coverage,fuzzing,stateful"


# What no schema can say and a 400 does: that a range ends after it begins, that a key of a page was given out by us;
# and that a body which is no record is no error but a rejected line of an upload.
BEYOND_SCHEMAS = "positive_data_acceptance,negative_data_rejection"


@pytest.mark.fault("E28")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("account", "checks"),
    [("", ("--checks", "all")), ("self", ("--checks", "all", "--exclude-checks", BEYOND_SCHEMAS))],
    ids=["any account", "an account that exists"],
)
def test_every_answer_is_what_the_document_says(
    api: Served, tmp_path: Path, account: str, checks: tuple[str, ...]
) -> None:
    token = token_for(api.ctx, "self", "admin")
    (tmp_path / "schemathesis.toml").write_text(f'[parameters]\naccount_id = "{account}"\n' if account else "")
    command = shutil.which("schemathesis")
    assert command is not None
    done = subprocess.run(
        # Giving the token back would end it for the rest of the run; it has a test of its own.
        [command, "run", f"{api.url}/openapi.json", "--header", f"X-Auth-Token: {token}",
         # The other way to say it, lest the tool makes up a token that differs.
         "--header", f"Authorization: Bearer {token}", *checks,
         "--max-examples", CASES, "--phases", PHASES, "--exclude-path-regex", "token_auth", "--seed", "1",
         "--suppress-health-check", "all", "--no-color"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.replace(token, "***")[-6_000:]
