"""Daily files in formats that are not configured: made for the download, as the night would have written them."""

import hashlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.published_files import find_file
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from tests.support.console import DAY, ServedConsole, red_day
from tests.support.serving import listening

PATH = f"/days/self/{DAY}"


def sealed(ctx: RunContext) -> RunContext:
    """A sealed day with only the exact file."""
    red_day(ctx, calls=3)
    seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), ctx)
    return ctx


def keyed(ctx: RunContext) -> RunContext:
    """The context with a redaction key."""
    return replace(ctx, settings=ctx.settings.model_copy(update={"redaction_key": SecretStr("k" * 40)}))


def offered(console: ServedConsole, role: str) -> dict[str, str]:
    """Links of the page to files of the day, by the end of their file id."""
    links = [link for link in console.person(role).links(PATH) if "/files/" in link]
    return {link.split("?")[0].rpartition("_")[2]: link for link in links}


@pytest.mark.parametrize("dialect", ["spreadsheet", "xlsx", "parquet", "redacted"])
def test_a_made_file_has_the_bytes_of_a_configured_one(console: ServedConsole, dialect: str) -> None:
    red_day(console.ctx, calls=3)
    export_days(ExportRequest([DAY], ["self"]), console.ctx)
    ctx = keyed(console.ctx)
    with listening(ServedApp(ctx)) as url, closing(ServedConsole(url, ctx)) as served:
        person = served.person("finance")
        (link,) = [item for item in person.links(PATH) if f"_{dialect}?" in item]
        answers = [person.client.get(link) for _ in range(2)]
    assert left_over(ctx.settings.data_dir) == []
    assert hashlib.sha256(answers[0].content).hexdigest() == answers[0].headers["x-content-sha256"]
    settings = ctx.settings.model_copy(update={"export_dialects": f"exact,{dialect}"})
    export_days(ExportRequest([DAY], ["self"]), replace(ctx, settings=settings))
    (written,) = find_files(ctx, f"{DAY}_v1_{dialect}")
    assert [answer.content for answer in answers] == [written, written]


def find_files(ctx: RunContext, file_id: str) -> list[bytes]:
    """Content of the file that an export has written."""
    found = find_file("self", file_id, ctx)
    return [found.path.read_bytes()] if found else []


def left_over(folder: Path) -> list[str]:
    """Temporary folders of made files."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".made-")]


def test_an_open_day_is_made_from_its_present_file(console: ServedConsole) -> None:
    red_day(console.ctx, calls=2)
    export_days(ExportRequest([DAY], ["self"]), console.ctx)
    person = console.person("finance")
    (link,) = [item for item in person.links(PATH) if "_spreadsheet?" in item]
    assert person.client.get(link).text.count("202603-leg") == 2


def test_a_viewer_is_offered_redacted_files_only_with_a_key(console: ServedConsole) -> None:
    ctx = keyed(sealed(console.ctx))
    assert set(offered(console, "viewer")) == set()
    assert set(offered(console, "finance")) == {"exact", "spreadsheet", "xlsx", "parquet"}
    with listening(ServedApp(ctx)) as url, closing(ServedConsole(url, ctx)) as served:
        assert set(offered(served, "viewer")) == {"redacted"}
        viewer = served.person("viewer")
        redacted = viewer.client.get(viewer.links(PATH)[0])
        assert redacted.status_code == 200
        assert "+4420794" not in redacted.text
        assert viewer.client.get(f"{PATH}/files/{DAY}_v1_xlsx").status_code == 403


def test_no_file_is_made_from_a_damaged_one(console: ServedConsole) -> None:
    ctx = sealed(console.ctx)
    person = console.person("finance")
    (link,) = [item for item in person.links(PATH) if "_xlsx?" in item]
    (path,) = ctx.settings.export_dir.rglob("cdrs_self_*_v1.csv")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"0.10", b"0.01"))
    answer = person.client.get(link)
    assert answer.status_code >= 400
    assert "A sealed file is missing or has changed" in answer.text


def test_versions_and_dialects_that_do_not_exist_are_not_made(console: ServedConsole) -> None:
    sealed(console.ctx)
    person = console.person("finance")
    (link,) = [item for item in person.links(PATH) if "_xlsx?" in item]
    for other in ("v2_xlsx", "v1_adjustment", "v1_nothing"):
        assert person.client.get(link.replace("v1_xlsx", other)).status_code in (403, 404)
