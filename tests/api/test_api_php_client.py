"""The PHP SDK of the switch's maker, unchanged.

Its package is in no registry that Python or Node uses, so CDR_TEST_KAZOO_PHP_SDK names its directory. CDR_TEST_PHP
names the interpreter (default: ``php``), which must be older than 8.1: newer ones reject a class of the SDK. Guzzle
comes from the directory's ``vendor`` or PHP's include path.
"""

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cdr_pipeline.steps.accounts.users import UserRequest, accept_invitation, invite_user
from tests.support.serving import STARTED, Served, gregorian

PASSWORD = "correct horse battery"
SCRIPT = Path(__file__).parent / "kazoo_php" / "calls.php"
SDK = os.environ.get("CDR_TEST_KAZOO_PHP_SDK", "")
PHP = os.environ.get("CDR_TEST_PHP", "php")
_TOO_NEW = 80_100
_MISSING = "Kazoo\\HttpClient\\Exception\\NotFound"
pytestmark = pytest.mark.skipif(not SDK, reason="CDR_TEST_KAZOO_PHP_SDK does not name a directory of kazoo-php-sdk")


def _require_php() -> None:
    """Skips without an interpreter that can read the SDK."""
    try:
        done = subprocess.run(
            [PHP, "-r", "echo PHP_VERSION_ID;"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("PHP is not installed; CDR_TEST_PHP names its program")
    if int(done.stdout) >= _TOO_NEW:
        pytest.skip("the SDK needs PHP before 8.1; CDR_TEST_PHP names its program")


@pytest.fixture(scope="module")
def returned(api: Served) -> dict[str, Any]:
    """What the SDK's calls returned."""
    _require_php()
    with api.ctx.ledger() as ledger:
        ledger.accounts.set_name_and_parent("self", name="name of self", parent_id="top", realm="self.example")
    invitation = invite_user(UserRequest("ann", "viewer", "self"), api.ctx)
    accept_invitation(invitation.secret, PASSWORD, api.ctx)
    period = [gregorian(STARTED), gregorian(STARTED + timedelta(days=1))]
    arguments = [SDK, api.url, api.tokens["self"], "ann", PASSWORD, "self.example", *period]
    done = subprocess.run([PHP, SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(done.stdout)


def test_the_php_sdk_lists_filters_and_pages(returned: dict[str, Any]) -> None:
    assert returned["listed"] == [
        {"id": "202603-call2", "call": "call2", "seconds": 30},
        {"id": "202603-call1", "call": "call1", "seconds": 30},
    ]
    assert (returned["count"], returned["inbound"], returned["of_user"]) == (2, 1, 1)
    assert returned["detail"]["call_id"] == "call2"
    assert returned["pages"] == ["202603-call2", "202603-call1"]


def test_the_php_sdk_logs_in_by_name_and_reads_accounts(returned: dict[str, Any]) -> None:
    assert returned["account"] == ["self", "name of self"]
    assert [row["id"] for row in returned["children"]] == ["child"]
    assert returned["descendants"] == returned["children"]
    assert (returned["devices"], returned["users"]) == (0, 0)


def test_the_php_sdk_raises_its_own_exceptions(returned: dict[str, Any]) -> None:
    raised = {name: (returned[name]["class"], returned[name]["code"]) for name in returned if " " in name}
    assert raised == {
        "wrong key": (_MISSING, 404),
        "wrong password": ("Kazoo\\AuthToken\\Exception\\Unauthenticated", 401),
        "unknown record": (_MISSING, 404),
        "foreign account": (_MISSING, 404),
        "bad period": ("Kazoo\\Api\\Exception\\Validation", 400),
    }
    assert "created_from" in returned["bad period"]["data"]
