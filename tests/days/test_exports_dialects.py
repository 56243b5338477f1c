"""Spreadsheet, workbook, Parquet, packed and redacted files: every cell survives, no formula runs, no byte differs."""

import csv
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import openpyxl
import orjson
import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import cdr_pipeline
from cdr_pipeline.core.fields.dictionary import DROPPED, HASHED
from cdr_pipeline.errors import ConfigurationError, ExportError
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile
from cdr_pipeline.exports.dialects import dialect as dialect_module
from cdr_pipeline.exports.dialects import spreadsheet, xlsx
from cdr_pipeline.exports.dialects.registry import EXACT, NAMES, SELECTABLE, all_dialects
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.renditions import write_rendition
from cdr_pipeline.exports.verify import verify_file, verify_tree
from tests.support.daily_files import COLUMNS, DAY, NASTY, records, write
from tests.support.examples import examples

FORMULAS = ["=1+1", "+15550100123", "-2", "@sum(1)", "\t=1", "\r=1", "\uff1d1", "'quoted"]
LONG = ["12345678901234567890", "0012345", "1E15", "2026-03-02", "1-2", "MAR1", "true", " 7"]
CELLS = [*NASTY, *FORMULAS, *LONG, "_x000D_", "a _x0041_ b", "<tag> & more"]
OTHERS = [name for name in SELECTABLE if name != EXACT]
PACKAGE = Path(cdr_pipeline.__file__).parent
TABS = '''
"""Tab-separated cells."""

import polars as pl

from cdr_pipeline.exports.dialects.dialect import ExportDialect
from cdr_pipeline.exports.exact_csv import batches


def header(columns):
    return ("\\t".join(columns) + "\\n").encode()


def _write(rows, writing):
    writing.write(header(rows.columns))
    for frame in rows.frames():
        writing.write(frame.write_csv(separator="\\t", include_header=False).encode())


def _read(path):
    return batches(pl.scan_csv(path, separator="\\t", infer_schema=False))


DIALECT = ExportDialect(
    name="tabs", suffix=".tsv", description="cells between tabs", read=_read, write=_write, header=header
)
'''
TRY_TABS = """
import sys
from pathlib import Path

import orjson

import cdr_pipeline
from cdr_pipeline.exports.renditions import write_rendition
from cdr_pipeline.exports.verify import verify_file, verify_tree
from cdr_pipeline.settings import load_settings
from tests.support.daily_files import DAY, records, write
from tests.support.reference_pages import pages

folder = Path(sys.argv[1])
chosen = load_settings().export_dialects
exact = write(folder, records({"caller_id_name": "Zoe"}))
file = write_rendition(chosen.split(",")[-1], exact, day=DAY, export_dir=folder)
seen = {
    "package": str(Path(cdr_pipeline.__file__).parent),
    "setting": chosen,
    "settings page": "parquet, redacted, tabs." in pages()["settings.md"],
    "dialects page": "| `tabs` | `.tsv` | yes |  | Cells between tabs. |" in pages()["export-dialects.md"],
    "first line": file.path.read_text().splitlines()[0],
    "found by the tree": file.path in verify_tree(folder),
    "differences": verify_file(file.path),
}
file.path.write_bytes(file.path.read_bytes() * 2)
print(orjson.dumps(seen | {
    "differences of a changed file": [text.partition(":")[0] for text in verify_file(file.path)]
}).decode())
"""
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def nasty() -> pl.DataFrame:
    return records(
        *(
            {"caller_id_name": cell, "caller_id_number": cell, "cost": Decimal("-0.5"), "cost_currency": "USD"}
            for cell in CELLS[:9]
        ),
        *({"origin": "imported", "caller_id_name": cell, "user_agent": cell} for cell in CELLS[9:]),
    ).sort("started_at", "origin", "record_id")


def made(folder: Path, dialect: str, frame: pl.DataFrame | None = None, day: DailyFile = DAY) -> WrittenFile:
    exact = write(folder, nasty() if frame is None else frame, day=day)
    return write_rendition(dialect, exact, day=day, export_dir=folder, redaction_key="a key of tests")


@pytest.mark.parametrize("dialect", OTHERS)
def test_a_flipped_byte_is_found_in_every_dialect(tmp_path: Path, dialect: str) -> None:
    file = made(tmp_path, dialect)
    assert verify_tree(tmp_path) == {file.path: [], tmp_path / "acct/2026/03/cdrs_acct_2026-03-02_v1.csv": []}
    content = bytearray(file.path.read_bytes())
    content[len(content) // 2] ^= 1
    file.path.write_bytes(bytes(content))
    assert any(found.startswith("sha256") for found in verify_file(file.path))


@pytest.mark.fault("D16")
@pytest.mark.parametrize("dialect", OTHERS)
def test_a_forged_file_with_a_fitting_manifest_is_found_by_its_content(tmp_path: Path, dialect: str) -> None:
    file = made(tmp_path, dialect)
    other = made(tmp_path / "other", dialect, records({}))
    shutil.copy(other.path, file.path)
    note = manifest_path(file.path)
    note.write_text(
        note.read_text().replace(file.sha256, other.sha256).replace(f'"bytes": {file.size}', f'"bytes": {other.size}')
    )
    assert verify_file(file.path)


@pytest.mark.fault("D13")
@pytest.mark.parametrize("dialect", OTHERS)
def test_an_empty_day_has_an_empty_file_of_every_dialect(tmp_path: Path, dialect: str) -> None:
    file = made(tmp_path, dialect, records())
    assert (file.rows, verify_file(file.path)) == (0, [])


@pytest.mark.parametrize("dialect", ["spreadsheet", "xlsx", "parquet"])
def test_all_dialects_name_the_content_of_the_exact_file(tmp_path: Path, dialect: str) -> None:
    file = made(tmp_path, dialect)
    exact = tmp_path / "acct/2026/03/cdrs_acct_2026-03-02_v1.csv"
    assert file.manifest.content_sha256 == hashlib.sha256(exact.read_bytes()).hexdigest()


@pytest.mark.fault("D21")
def test_every_risky_cell_of_a_spreadsheet_begins_with_an_apostrophe(tmp_path: Path) -> None:
    file = made(tmp_path, "spreadsheet")
    assert file.manifest.rule == "apostrophe-v1"
    content = file.path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    shown = {row["caller_id_name"].removeprefix("'"): row["caller_id_name"] for row in rows}
    for cell in [*FORMULAS, *LONG]:
        assert f"'{cell}" in shown.values()
    assert {row["cost"] for row in rows} == {"-0.50000000", ""}


@given(st.lists(texts, min_size=1, max_size=5))
@settings(max_examples=examples(100))
def test_the_rule_of_the_spreadsheet_is_undone_exactly(values: list[str]) -> None:
    frame = pl.DataFrame({"caller_id_name": values, "cost": ["-1.00000000"] * len(values)})
    written = spreadsheet.header(frame.columns) + spreadsheet.encode(frame)
    assert spreadsheet.decode(pl.read_csv(written, infer_schema=False)).equals(frame)


@pytest.mark.fault("D21")
def test_the_cells_of_a_workbook_are_text_to_openpyxl(tmp_path: Path) -> None:
    file = made(tmp_path, "xlsx")
    book = openpyxl.load_workbook(file.path)
    (sheet,) = book.worksheets
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.value for cell in sheet[1]] == COLUMNS
    book.close()


def test_every_cell_of_a_workbook_comes_back(tmp_path: Path) -> None:
    file = made(tmp_path, "xlsx")
    read = pl.concat(xlsx.read_workbook(file.path))
    exact = pl.read_csv(tmp_path / "acct/2026/03/cdrs_acct_2026-03-02_v1.csv", infer_schema=False)
    assert read.equals(exact)


def test_what_a_sheet_cannot_hold_goes_on_in_the_next(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [str(number) for number in range(25)]})
    with (tmp_path / "book.xlsx").open("wb") as target:
        xlsx.write_workbook([frame[:12], frame[12:]], ["a"], target, tmp_path, sheet_rows=10)
    assert pl.concat(xlsx.read_workbook(tmp_path / "book.xlsx")).equals(frame)
    assert [path.name for path in tmp_path.iterdir()] == ["book.xlsx"]


def test_a_cell_too_large_for_a_workbook_is_refused_with_its_column(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="caller_id_name"):
        made(tmp_path, "xlsx", records({"caller_id_name": "x" * 40_000}))


def test_parquet_is_typed_as_the_field_dictionary_says(tmp_path: Path) -> None:
    file = made(tmp_path, "parquet")
    read = pl.read_parquet(file.path)
    assert read.equals(nasty())
    with duckdb.connect() as database:
        query = f"SELECT sum(cost)::text, count(*) FROM read_parquet('{file.path}')"
        assert database.execute(query).fetchall() == [("-4.50000000", len(CELLS))]


@pytest.mark.parametrize(("kind", "suffix"), [("gzip", ".gz"), ("zstd", ".zst")])
def test_packed_files_hold_the_same_and_are_verified(tmp_path: Path, kind: str, suffix: str) -> None:
    plain = write(tmp_path / "plain", nasty())
    day = replace(DAY, compression=kind)  # type: ignore[arg-type]
    packed = write(tmp_path / "packed", nasty(), day=day)
    assert packed.path.name.endswith(f".csv{suffix}")
    content = packed.path.read_bytes()
    opened = (
        gzip.decompress(content) if kind == "gzip" else zstandard.ZstdDecompressor().decompressobj().decompress(content)
    )
    assert opened == plain.path.read_bytes()
    assert packed.manifest.content_sha256 == plain.sha256
    other = write_rendition("spreadsheet", packed, day=day, export_dir=tmp_path / "packed")
    assert verify_tree(tmp_path / "packed") == {packed.path: [], other.path: []}


@pytest.mark.fault("D20")
def test_the_exact_file_reads_the_same_in_csv_polars_and_duckdb(tmp_path: Path) -> None:
    path = write(tmp_path, nasty()).path
    wanted = sorted(CELLS)
    with path.open(encoding="utf-8", newline="") as handle:
        assert sorted(row["caller_id_name"] for row in csv.DictReader(handle, strict=True)) == wanted
    assert sorted(pl.read_csv(path, infer_schema=False)["caller_id_name"].to_list()) == wanted
    with duckdb.connect() as database:
        query = f"SELECT caller_id_name FROM read_csv('{path}', all_varchar=true, header=true)"
        found = database.execute(query).fetchall()
    assert sorted(cell for (cell,) in found) == wanted


@pytest.mark.fault("D28")
def test_a_redacted_file_has_equal_totals_and_identifies_no_person(tmp_path: Path) -> None:
    frame = records(*({"caller_e164": "+15550100001", "call_id": f"c{n}", "caller_id_name": "Zoe"} for n in range(3)))
    file = made(tmp_path, "redacted", frame)
    exact = pl.read_csv(tmp_path / "acct/2026/03/cdrs_acct_2026-03-02_v1.csv", infer_schema=False)
    hidden = pl.read_csv(file.path, infer_schema=False)
    assert file.manifest.totals == write(tmp_path, frame).manifest.totals
    assert hidden["caller_e164"].n_unique() == 1
    assert b"5550100001" not in file.path.read_bytes()
    for name in HASHED:
        assert set(exact[name].drop_nulls()).isdisjoint(hidden[name].drop_nulls())
    assert all(hidden[name].is_null().all() for name in DROPPED if name in hidden.columns)
    other = write_rendition(
        "redacted",
        write(tmp_path / "b", frame),
        day=DAY,
        export_dir=tmp_path / "b",
        redaction_key="another key",
    )
    assert hidden["caller_e164"][0] != pl.read_csv(other.path, infer_schema=False)["caller_e164"][0]


def test_redacted_files_need_a_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="need a key"):
        write_rendition("redacted", write(tmp_path, records({})), day=DAY, export_dir=tmp_path)


def test_every_module_of_a_dialect_is_in_the_registry() -> None:
    modules = {path.stem for path in Path(dialect_module.__file__).parent.glob("*.py")}
    assert modules - {"__init__", "dialect", "registry"} == set(NAMES)
    assert [dialect.name for dialect in all_dialects()] == list(NAMES)
    assert {dialect.name for dialect in all_dialects() if dialect.write} == {*SELECTABLE} - {EXACT}


def test_no_two_dialects_have_files_of_the_same_name() -> None:
    assert len({dialect.suffix for dialect in all_dialects()}) == len(NAMES)


@pytest.mark.parametrize("name", ["unregistered", "PARQUET", "adjustment", "exact"])
def test_nothing_is_written_in_a_dialect_without_a_writer(tmp_path: Path, name: str) -> None:
    exact = write(tmp_path, nasty())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ExportError, match=name):
        write_rendition(name, exact, day=DAY, export_dir=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_new_dialect_is_one_module_and_one_line_of_the_registry(tmp_path: Path) -> None:
    copy = tmp_path / "cdr_pipeline"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    for name in ("sql", "tests"):
        (tmp_path / name).symlink_to(PACKAGE.parent / name)
    (copy / "exports/dialects/tabs.py").write_text(TABS)
    registry = copy / "exports/dialects/registry.py"
    registry.write_text(registry.read_text().replace('    "redacted",\n', '    "redacted",\n    "tabs",\n', 1))
    program = tmp_path / "program.py"
    program.write_text(TRY_TABS)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "CDR_EXPORT_DIALECTS": "tabs"}
    done = subprocess.run(
        [sys.executable, program, tmp_path / "data"], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    shutil.rmtree(copy)
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout) == {
        "package": str(copy),
        "setting": "exact,tabs",
        "settings page": True,
        "dialects page": True,
        "first line": "\t".join(COLUMNS),
        "found by the tree": True,
        "differences": [],
        "differences of a changed file": ["bytes", "sha256", "rows"],
    }


@pytest.mark.fault("D24")
def test_account_ids_that_differ_in_case_have_files_of_their_own(tmp_path: Path) -> None:
    one, two = (
        write(tmp_path, records({"account_id": name}), day=replace(DAY, account_id=name)) for name in ("Acct", "acct")
    )
    assert one.path != two.path
    assert not any(verify_tree(tmp_path).values())


def test_sums_are_what_coreutils_verify(tmp_path: Path) -> None:
    file = made(tmp_path, "xlsx")
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("no sha256sum here")
    said = subprocess.run(
        [program, "--check", "SHA256SUMS"], cwd=file.path.parent, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout.count(": OK")) == (0, 2)


@pytest.mark.fault("D16")
def test_a_list_of_sums_that_was_edited_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, records({})).path.parent / "SHA256SUMS"
    path.write_text(path.read_text().replace(path.read_text()[:8], "0" * 8))
    assert verify_tree(tmp_path)[path] == ["cdrs_acct_2026-03-02_v1.csv: the list has another hash than the manifest"]


@pytest.mark.slow
@pytest.mark.fault("D18")
@pytest.mark.parametrize(
    "odd",
    [
        {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "POLARS_MAX_THREADS": "1"},
        {"TZ": "America/St_Johns", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "PYTHONHASHSEED": "1", "PYTHONUTF8": "0"},
    ],
)
def test_every_dialect_has_the_same_bytes_whatever_the_machines_settings(tmp_path: Path, odd: dict[str, str]) -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[1:3]; from pathlib import Path; import test_exports_dialects as t\n"
        "for dialect in t.OTHERS: print(t.made(Path(sys.argv[3]) / dialect, dialect).sha256)\n"
        "for kind in ('gzip', 'zstd'):\n"
        "    day = t.replace(t.DAY, compression=kind)\n"
        "    print(t.write(Path(sys.argv[3]) / kind, t.nasty(), day=day).sha256)"
    )
    here = [made(tmp_path / "here" / dialect, dialect).sha256 for dialect in OTHERS]
    for kind in ("gzip", "zstd"):
        day = replace(DAY, compression=kind)  # type: ignore[arg-type]
        here.append(write(tmp_path / "here" / kind, nasty(), day=day).sha256)
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support"), str(tmp_path / "there")]
    said = subprocess.run(
        [sys.executable, "-c", program, *folders], env=os.environ | odd, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == here


@pytest.mark.fault("D21")
@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["xlsx", "spreadsheet"])
def test_libreoffice_shows_every_cell(tmp_path: Path, dialect: str) -> None:
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice is not installed")
    file = made(tmp_path, dialect)
    # Comma, double quote, UTF-8, from line 1, columns detected: as a person's double click on the file would.
    filters = ["--infilter=CSV:44,34,76,1,,0,false,true,false"] if dialect == "spreadsheet" else []
    subprocess.run(
        [
            office, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", *filters, "--convert-to",
            "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,true,false", "--outdir", str(tmp_path / "out"),
            str(file.path),
        ],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    (shown,) = (tmp_path / "out").iterdir()
    with shown.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    # A workbook knows one kind of line end within a cell.
    found = [row["caller_id_name"].replace("\r", "\n") for row in rows]
    wanted = [cell.replace("\r", "\n") for cell in nasty()["caller_id_name"]]
    if dialect == "spreadsheet":
        found = [cell.removeprefix("'") for cell in found]
    assert found == wanted
