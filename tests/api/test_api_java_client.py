"""Every read of a client in Java that OpenAPI Generator makes of the OpenAPI document compiles and works.

The generator's package brings the libraries of the client; it is installed into an environment of its own. A path in
CDR_TEST_OPENAPI_GENERATOR names the jar of an installed one.
"""

import os
import re
import shutil
import subprocess
import venv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from tests.support.serving import STARTED, Served, gregorian, store, token_for

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler is installed"),
]
DAY = date(2026, 3, 2)
OPTIONS = "openApiNullable=false,hideGenerationTimestamp=true,annotationLibrary=none,useJakartaEe=true"
CALLS = Path(__file__).parents[1] / "support" / "java" / "Calls.java"
# Annotations that the client names and no call needs.
ANNOTATIONS = {
    "Generated": 'String[] value() default {}; String comments() default ""; String date() default "";',
    "Nonnull": "",
    "Nullable": "",
}
# Reads of a person, which the token of a program cannot make.
OF_PERSONS = ("own_user",)


@pytest.fixture(scope="module")
def jar(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The generator, with the libraries that its clients need."""
    if installed := os.environ.get("CDR_TEST_OPENAPI_GENERATOR"):
        return installed
    folder = tmp_path_factory.mktemp("generator")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "openapi-generator-cli>=7.26,<8"]
    if subprocess.run(pip, capture_output=True, check=False).returncode:
        pytest.skip("openapi-generator-cli cannot be installed here")
    return str(next(folder.rglob("openapi-generator.jar")))


@pytest.fixture(scope="module")
def classes(api: Served, jar: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the compiled client."""
    folder = tmp_path_factory.mktemp("java")
    (folder / "openapi.json").write_bytes(api.get("/openapi.json").content)
    _run(
        "java", "-jar", jar, "generate", "-g", "java", "--library", "native", "-i", str(folder / "openapi.json"),
        "-o", str(folder / "client"), "--additional-properties", OPTIONS,
    )  # fmt: skip
    for name, members in ANNOTATIONS.items():
        text = f"package jakarta.annotation; public @interface {name} {{ {members} }}"
        (folder / "client" / f"{name}.java").write_text(text)
    sources = [*(folder / "client" / "src" / "main" / "java").rglob("*.java"), *(folder / "client").glob("*.java")]
    made = folder / "classes"
    _run("javac", "-parameters", "-nowarn", "-cp", jar, "-d", str(made), *map(str, sources), str(CALLS))
    return made


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def method_of(operation_id: str) -> str:
    """Name of an operation's method: words without the characters between them."""
    first, *others = re.split(r"_+", operation_id.strip("_"))
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def reads_of(document: dict[str, Any]) -> list[str]:
    """Methods of the operations that read, except those of persons and those that need a cursor or an extract."""
    return [
        method_of(methods["get"]["operationId"])
        for path, methods in document["paths"].items()
        if "get" in methods
        and not methods["get"]["operationId"].startswith(OF_PERSONS)
        and not any(name in path for name in ("{extract_id}", "{webhook_id}"))
    ]


def test_every_read_of_the_java_client_works(api: Served, classes: Path, jar: str, tmp_path: Path) -> None:
    store(api.ctx, "self", {}, {}, now=api.ctx.clock())
    seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), api.ctx)
    token = token_for(api.ctx, "self", "admin")
    with api.client(token_for(api.ctx, "self", "upload")) as client:
        table = "id,caller,callee,start_time,duration\r\na1,100,200,never,60\r\n"
        upload = client.post("/v2/accounts/self/cdrs", content=table, headers={"Content-Type": "text/csv"}).json()
    values = tmp_path / "values.properties"
    known = {
        "accountId": "self", "userId": "u1", "businessDate": DAY, "fileId": f"{DAY}_v1_exact", "token": token,
        "cdrId": "202603-call1", "legId": "202603-call1", "uploadId": upload["data"]["upload_id"],
        "createdFrom": gregorian(STARTED), "createdTo": gregorian(STARTED + timedelta(days=1)),
    }  # fmt: skip
    values.write_text("".join(f"{name}={value}\n" for name, value in known.items()))
    wanted = reads_of(api.get("/openapi.json").json())
    output = _run(
        "java", "-cp", os.pathsep.join((str(classes), jar)), "Calls", api.url, token, str(values),
        str(classes / "org" / "openapitools" / "client" / "api"), *wanted,
    )  # fmt: skip
    answers = dict(line.split("\t", 1) for line in output.splitlines())
    assert answers.keys() == set(wanted)
    assert {name: text for name, text in answers.items() if text.startswith(("failed", "nothing"))} == {}
    assert {answers[name] for name in wanted if name.startswith("listRecords")} == {"2 items"}
