"""The state of a product: what must hold of any, and what two that had the same inputs have in common."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl
import psycopg
from polars.testing import assert_frame_equal

from cdr_pipeline.core.fields.dictionary import canonical_schema, names
from cdr_pipeline.core.records.links import merged_legs, pairs_by_call_id
from cdr_pipeline.exports.verify import verify_tree

_SOUND: Final = {
    "records twice": (
        "SELECT account_id, origin, {source} record_id FROM cdr GROUP BY 1, 2, {third} HAVING count(*) > 1"
    ),
    "records without a key": "SELECT {key} FROM cdr EXCEPT SELECT {key} FROM cdr_keys",
    "keys without a record": "SELECT {key} FROM cdr_keys EXCEPT SELECT {key} FROM cdr",
    "links to no API record": (
        "SELECT account_id, api_record_id, api_business_date FROM cdr_links"
        " EXCEPT SELECT account_id, record_id, business_date FROM cdr WHERE origin = 'api'"
    ),
    "links to no imported record": (
        "SELECT account_id, imported_record_id, imported_business_date FROM cdr_links"
        " EXCEPT SELECT account_id, record_id, business_date FROM cdr WHERE origin = 'imported'"
    ),
    "batches that do not balance": (
        "SELECT batch_id FROM batches WHERE rows_read <> rows_inserted + rows_updated + rows_unchanged"
        " + rows_duplicate + rows_rejected + rows_filtered"
    ),
    "legs that are not one a record": (
        "SELECT count(*) FROM cdr_merged"
        " HAVING count(*) <> (SELECT count(*) FROM cdr) - (SELECT count(*) FROM cdr_links)"
    ),
}
_SETTLED: Final = {
    "staged rows": "SELECT account_id, batch_id FROM cdr_stage",
    "staged links": "SELECT account_id, batch_id FROM cdr_link_stage",
    "days whose files lack a change": "SELECT account_id, business_date FROM days WHERE exported_changes < changes",
    "sealed days that are not published": (
        "SELECT account_id, business_date FROM days WHERE state <> 'open' AND published_at IS NULL"
    ),
    "uploads that are not loaded": "SELECT file_name, state FROM uploads WHERE state <> 'loaded'",
    "windows that are not loaded": "SELECT starts_at, state FROM windows WHERE state <> 'loaded'",
    "locks of other sessions": (
        "SELECT locktype, mode FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    ),
    "other sessions in transactions": (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND xact_start IS NOT NULL AND backend_type = 'client backend'"
    ),
}
_COMPARED: Final = {
    "links": "SELECT account_id, imported_record_id, api_record_id, basis FROM cdr_links",
    "totals": (
        "SELECT account_id, business_date, origin, call_direction, cost_currency, count(*), sum(duration_seconds),"
        " sum(billing_seconds), sum(cost) FROM cdr_merged GROUP BY 1, 2, 3, 4, 5"
    ),
    "removed months": "SELECT account_id, month, records FROM removed_months",
    "totals of removed months": "SELECT * FROM retained_totals",
    "reconciliations": (
        "SELECT DISTINCT ON (account_id, carrier, business_date) account_id, carrier, business_date, status, light,"
        " switch_rows, switch_seconds, switch_amount, carrier_rows, carrier_seconds, carrier_amount, breaks, exposure"
        " FROM reconciliations WHERE (account_id, date_trunc('month', business_date)::date) NOT IN"
        " (SELECT account_id, month FROM removed_months)"
        " ORDER BY account_id, carrier, business_date, version DESC"
    ),
    "refused rows": (
        "SELECT DISTINCT account_id, origin, field, reason, raw FROM rejects WHERE reason <> 'month_removed'"
    ),
}
_SHOWN: Final = 6


@dataclass(slots=True)
class SealedFiles:
    """Bytes of every file whose manifest has ever said that it is final."""

    folder: Path
    _hashes: dict[Path, str] = field(default_factory=dict[Path, str])

    def watch(self) -> None:
        """Takes note of files that have become final."""
        for manifest in self.folder.rglob("*.manifest.json"):
            path = manifest.with_name(manifest.name.removesuffix(".manifest.json"))
            if path in self._hashes:
                continue
            try:
                told = json.loads(manifest.read_bytes())
                if told["state"] in ("sealed", "restated"):
                    self._hashes[path] = str(told["sha256"])
            except (FileNotFoundError, json.JSONDecodeError):
                continue

    def days(self) -> set[tuple[str, str]]:
        """Account and business date of every final file, as its name states them."""
        return {(path.parts[-4], path.name.split("_")[2]) for path in self._hashes}

    def differences(self) -> list[str]:
        """Files that are gone, were changed, or whose manifest no longer says that they are final."""
        found: list[str] = []
        for path, sha256 in sorted(self._hashes.items()):
            manifest = path.with_name(f"{path.name}.manifest.json")
            if not path.exists() or not manifest.exists():
                found.append(f"{path.name} was final and is gone")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                found.append(f"{path.name} was final and has other bytes now")
            elif json.loads(manifest.read_bytes())["state"] not in ("sealed", "restated"):
                found.append(f"{path.name} was final and is {json.loads(manifest.read_bytes())['state']} now")
        return found


def unsound(connection: psycopg.Connection[Any]) -> list[str]:
    """What must never be seen in any snapshot, and is."""
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    return list(_found(connection, _SOUND))


def unsettled(connection: psycopg.Connection[Any]) -> list[str]:
    """What must not be left when nothing runs any more and files are up to date, and is."""
    return [*_found(connection, _SOUND), *_found(connection, _SETTLED), *_link_differences(connection)]


def file_differences(export_dir: Path, connection: psycopg.Connection[Any]) -> list[str]:
    """Where files, manifests, sums and the ledger disagree."""
    found = [f"{path.name}: {text}" for path, texts in verify_tree(export_dir).items() for text in texts]
    recorded = connection.execute(
        "SELECT path, sha256, account_id, business_date, version FROM export_files"
    ).fetchall()
    for path, sha256, *_ in recorded:
        file = export_dir / path
        if not file.exists():
            found.append(f"{path}: the ledger knows it, it is not on disk")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            found.append(f"{path}: the ledger knows other bytes")
    known = {export_dir / row[0] for row in recorded}
    announced = {
        path.with_name(path.name.removesuffix(".manifest.json")) for path in export_dir.rglob("*.manifest.json")
    }
    found += [f"{path.name}: announced, and unknown to the ledger" for path in sorted(announced - known)]
    states = {
        (row[0], str(row[1])): (row[2], row[3])
        for row in connection.execute("SELECT account_id, business_date, state, version FROM days").fetchall()
    }
    for (account_id, day), path in newest_files(export_dir).items():
        manifest = json.loads(path.with_name(f"{path.name}.manifest.json").read_bytes())
        told = (manifest["state"], manifest["version"])
        if states.get((account_id, day)) != told:
            found.append(f"{path.name}: the manifest says {told}, the ledger {states.get((account_id, day))}")
    return found


def newest_files(export_dir: Path) -> dict[tuple[str, str], Path]:
    """The newest announced exact file of each account and business date."""
    newest: dict[tuple[str, str], tuple[int, Path]] = {}
    for manifest in export_dir.rglob("*.manifest.json"):
        told = json.loads(manifest.read_bytes())
        key = (told["account_id"], told["business_date"])
        if told["dialect"] == "exact" and told["version"] > newest.get(key, (0, manifest))[0]:
            newest[key] = (told["version"], manifest.with_name(manifest.name.removesuffix(".manifest.json")))
    return {key: path for key, (_, path) in newest.items()}


def state_differences(
    product: psycopg.Connection[Any], export_dir: Path, model: psycopg.Connection[Any], model_export_dir: Path
) -> list[str]:
    """Where a product differs from a model that had the same inputs one after the other."""
    found = _frame_differences("records", _records(product), _records(model))
    for what, query in _COMPARED.items():
        found += _set_differences(what, product.execute(query).fetchall(), model.execute(query).fetchall())
    ours, theirs = newest_files(export_dir), newest_files(model_export_dir)
    if ours.keys() != theirs.keys():
        found.append(f"days with files: {sorted(ours.keys() ^ theirs.keys())} on one side only")
    for key in sorted(ours.keys() & theirs.keys()):
        if ours[key].read_bytes() != theirs[key].read_bytes():
            lines = [set(path.read_text("utf-8").splitlines()) for path in (ours[key], theirs[key])]
            found.append(
                f"file {ours[key].name}: {len(lines[0] - lines[1])} lines only here,"
                f" {len(lines[1] - lines[0])} only in the model"
            )
    return found


def removed_days(connection: psycopg.Connection[Any], days: Iterable[date]) -> set[tuple[str, date]]:
    """Those of the days whose records have been removed."""
    months = connection.execute("SELECT account_id, month FROM removed_months").fetchall()
    return {(account_id, day) for account_id, month in months for day in days if day.replace(day=1) == month}


def _found(connection: psycopg.Connection[Any], queries: dict[str, str]) -> Iterable[str]:
    has_source = connection.execute(
        "SELECT FROM information_schema.columns WHERE table_name = 'cdr_keys' AND column_name = 'source'"
    ).fetchone()
    source = "source," if has_source else ""
    parts = {
        "source": source,
        "third": "3, 4" if has_source else "3",
        "key": f"account_id, origin, {source} record_id, business_date",
    }
    for what, query in queries.items():
        rows = connection.execute(query.format(**parts)).fetchall()  # type: ignore[arg-type]
        if rows:
            yield f"{what}: {len(rows)}, such as {[tuple(map(str, row)) for row in rows[:_SHOWN]]}"


def _link_differences(connection: psycopg.Connection[Any]) -> list[str]:
    """Links by call id and the merged view, compared with the rules in core."""
    found = connection.execute(f"SELECT {', '.join(names())} FROM cdr").fetchall()
    records = pl.DataFrame(found, schema=canonical_schema(), orient="row")
    query = "SELECT account_id, imported_record_id, api_record_id{} FROM cdr_links"
    by_call = connection.execute(query.format("") + " WHERE basis = 'call_id'").fetchall()  # type: ignore[arg-type]
    differences = _set_differences("links by call id", by_call, pairs_by_call_id(records).rows())
    everything = connection.execute(query.format(", part_no, parts_cost")).fetchall()  # type: ignore[arg-type]
    texts = dict.fromkeys(("account_id", "imported_record_id", "api_record_id"), pl.String())
    links = pl.DataFrame(
        everything, schema=texts | {"part_no": pl.Int64(), "parts_cost": canonical_schema()["cost"]}, orient="row"
    )
    schema = canonical_schema() | {"linked_record_id": pl.String()}
    shown = connection.execute(f"SELECT {', '.join(schema)} FROM cdr_merged").fetchall()
    legs = pl.DataFrame(shown, schema=schema, orient="row").sort("account_id", "origin", "record_id")
    try:
        assert_frame_equal(legs, merged_legs(records, links))
    except AssertionError as error:
        differences.append(f"the merged view is not what the rules in core give: {str(error)[:400]}")
    return differences


def _records(connection: psycopg.Connection[Any]) -> dict[tuple[str, ...], dict[str, str]]:
    columns = [*names(), "extra::text"]
    rows = connection.execute(f"SELECT {', '.join(columns)} FROM cdr").fetchall()
    named = ({name: str(value) for name, value in zip(columns, row, strict=True)} for row in rows)
    return {(row["account_id"], row["origin"], row.get("source", ""), row["record_id"]): row for row in named}


def _frame_differences(
    what: str, ours: dict[tuple[str, ...], dict[str, str]], theirs: dict[tuple[str, ...], dict[str, str]]
) -> list[str]:
    found = _set_differences(what, ours, theirs)
    for key in sorted(ours.keys() & theirs.keys()):
        columns = [name for name in ours[key] if ours[key][name] != theirs[key][name]]
        if columns:
            values = {name: (ours[key][name], theirs[key][name]) for name in columns[:_SHOWN]}
            found.append(f"{what}: {key} differs (here, in the model): {values}")
    return found[: 2 * _SHOWN]


def _set_differences(what: str, ours: Iterable[Any], theirs: Iterable[Any]) -> list[str]:
    mine, others = ({tuple(map(str, row)) for row in rows} for rows in (ours, theirs))
    sides = (("only here", mine - others), ("only in the model", others - mine))
    return [f"{what}: {len(rows)} {side}, such as {sorted(rows)[:_SHOWN]}" for side, rows in sides if rows]
