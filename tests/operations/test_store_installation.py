"""An installation whose data are in an object store: screens, delivery, sealed files, retention and a lost ledger."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import polars as pl
import pytest

from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.files import durable, store_client
from cdr_pipeline.files.store import StorePath, as_local_file, parse_url
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.adopt_files import adopt_files
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.days.sealed_files import check_sealed_files
from cdr_pipeline.steps.operations.data_folder import folder_link, link_folder
from cdr_pipeline.steps.retention.retain_records import retain_records, set_policy
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import load_uploads
from cdr_pipeline.steps.uploads.register_uploads import register_dropped_files
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.carriers import reconciled
from tests.support.console import ServedConsole, serving_console
from tests.support.databases import copied_database
from tests.support.days import ACCOUNT, DAY, PERSON, collected, deliver, seal, state
from tests.support.object_store import FaultyStore, environment, faulty_store, objects, put
from tests.support.own_clock import by_own_clock
from tests.support.store_servers import store_process
from tests.support.uploads import carrier_text

# The server process takes seconds to start.
pytestmark = pytest.mark.slow
EXACT = f"data/exports/{ACCOUNT}/2026/03/cdrs_{ACCOUNT}_{DAY}_v1.csv"
PAGES = (
    "/", "/calendar", "/breaks", "/search", "/uploads", "/deliveries", "/accounts", "/operations", "/profiles",
    "/carriers", "/audit", f"/days/{ACCOUNT}/{DAY}",
)  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[FaultyStore]:
    with store_process("s3") as server, faulty_store(server) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(running).items():
            patch.setenv(name, value)
        server.empty()
        store_client.made_in.cache_clear()
        yield running
        store_client.made_in.cache_clear()


@pytest.fixture(scope="module")
def place(
    store: FaultyStore, embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunContext]:
    """A sealed and delivered day of two calls of the switch and two of a carrier's file, reconciled."""
    folder = tmp_path_factory.mktemp("installation")
    with copied_database(embedded_server) as url:
        settings = Settings(
            data_dir=parse_url(store.root), warehouse_url=url, DAGSTER_HOME=folder / "home", upload_settle_seconds=0
        )
        ctx = RunContext.open(by_own_clock(settings), clock=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
        collected(ctx)
        deliver(ctx, {"record_id": "a"}, {"record_id": "b"})
        put(store, f"data/uploads/{ACCOUNT}/generic/calls.csv", carrier_text(1, 2).encode())
        assert register_dropped_files(ctx).refused == ()
        assert load_uploads(ctx).failures == ()
        reconciled(ctx, DAY, ACCOUNT)
        assert seal(ctx, PERSON).outcome == "sealed"
        put(store, "data/targets.toml", f'[finance]\nurl = "{folder / "fetched here"}"\n'.encode())
        assert [file.outcome for file in deliver_files(DeliverRequest(), ctx)] == ["delivered"]
        yield ctx


@pytest.fixture(scope="module")
def console(place: RunContext) -> Iterator[ServedConsole]:
    with serving_console(place) as served:
        yield served


def test_every_screen_opens(console: ServedConsole) -> None:
    person = console.person("operator")
    assert {path: person.get(path).status_code for path in PAGES} == dict.fromkeys(PAGES, 200)


def test_the_day_page_sends_the_bytes_of_the_store(console: ServedConsole, store: FaultyStore) -> None:
    person = console.person("finance")
    links = [part.split('"')[0] for part in person.get(f"/days/{ACCOUNT}/{DAY}").text.split('href="')]
    files = [person.get(unescape(link)).content for link in links if "/files/" in link]
    assert objects(store)[EXACT] in files


def test_a_file_sent_to_the_console_lands_in_the_store(console: ServedConsole, store: FaultyStore) -> None:
    person = console.person("finance")
    person.get("/uploads")
    content = carrier_text(7, start="2026-11-04T09:00:00Z").encode()
    tried = person.client.post(
        "/uploads",
        data={"csrf": person.csrf, "account": ACCOUNT, "profile": "generic"},
        files={"file": ("late.csv", content, "text/csv")},
    )
    key = tried.text.split('name="key" value="')[1].split('"')[0]
    assert person.send("/uploads/load", key=key).status_code == 303
    assert content in objects(store).values()


def test_a_changed_object_is_named_by_every_check(console: ServedConsole, store: FaultyStore) -> None:
    sealed = objects(store)[EXACT]
    put(store, EXACT, b"other bytes")
    try:
        person = console.person("finance")
        assert "differs" in person.send(f"/days/{ACCOUNT}/{DAY}/verify").text
        assert [file.path for file in check_sealed_files(console.ctx).faulty] == [EXACT.removeprefix("data/exports/")]
        wrong = verify_tree(console.ctx.settings.export_dir)
        assert [path.name for path, problems in wrong.items() if problems] == [Path(EXACT).name]
    finally:
        put(store, EXACT, sealed)
    assert check_sealed_files(console.ctx).faulty == ()


def test_delivery_sends_the_bytes_of_the_store(place: RunContext, store: FaultyStore) -> None:
    folder = Path(place.settings.dagster_home).parent / "fetched here"
    delivered = {path.name: path.read_bytes() for path in folder.rglob("*.csv")}
    assert delivered == {Path(EXACT).name: objects(store)[EXACT]}


@pytest.mark.fault("R303")
def test_an_empty_ledger_adopts_the_sealed_day_from_the_store(
    place: RunContext, embedded_server: EmbeddedServer
) -> None:
    with copied_database(embedded_server) as url:
        settings = place.settings.model_copy(update={"warehouse_url": place.settings.warehouse_url.__class__(url)})
        new = replace(place, settings=settings, url=url)
        collected(new)
        link_folder(settings, url, now=new.clock())
        assert folder_link(settings, url).linked
        (day,) = adopt_files(new)
        assert (day.outcome, day.state, day.version) == ("adopted", "sealed", 1)
        assert state(new) == "sealed"
        assert seal(new).outcome != "sealed"
        link_folder(place.settings, place.url, now=place.clock())


def test_retention_archives_a_month_into_the_store(place: RunContext) -> None:
    set_policy(ACCOUNT, place, keep_months=3, archive=True, mask_after_days=None, actor="A. Controller")
    (month,) = retain_records(place).months
    assert month.outcome == "removed"
    assert month.archived is not None
    assert isinstance(month.archived.path, StorePath)
    with as_local_file(month.archived.path) as local:
        assert pl.read_parquet(local).height == month.records
    assert durable.is_read_only(month.archived.path)
