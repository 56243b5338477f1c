"""JSON and XML: records, and paths to their values."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import orjson

from cdr_pipeline.core.uploads.profile_values import column_name
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.sheet.limits import FEW, SAMPLE_LINES
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet
from cdr_pipeline.sources.uploads.xml_documents import record_path, xml_records

_MOST_DEPTH: Final = 6


def read_json(text: str, sheet: Sheet) -> None:
    """Finds the records of JSON text, and reads them.

    Raises:
        UnreadableUpload: the text holds no JSON objects.
    """
    sheet.layout["format"] = "json"
    sheet.decided.append("JSON")
    content = _json_value(text)
    if content is None:
        content = [_json_value(line) for line in text.splitlines()[:SAMPLE_LINES] if line.strip()]
        sheet.decided.append("one document a line")
    path, items = _list_of_objects(content)
    if path and path != "data":
        sheet.layout["records"] = path
        sheet.decided.append(f"the records are the list {path}")
    if not items:
        raise UnreadableUpload("the file is not JSON, or holds no JSON objects", hint="check the file in an editor")
    _read_items(items, sheet)


def read_xml(path: Path, text: str, sheet: Sheet) -> None:
    """Finds the records of XML text, and reads them.

    Raises:
        UnreadableUpload: no element has a value.
    """
    records = record_path(text)
    sheet.layout |= {"format": "xml", "records": records}
    sheet.decided.append(f"XML; the records are the elements {records}")
    items = [item for item, _ in islice(xml_records([text], records, whole=False), SAMPLE_LINES)]
    if not any(text for item in items for _, text in _leaves(item, "", 0)):
        raise UnreadableUpload(f"{path.name} is XML, but no element has a value", hint="check the file in an editor")
    if any("%2B" in text or "%20" in text for item in items for _, text in _leaves(item, "", 0)):
        sheet.layout["percent_encoded"] = True
        sheet.decided.append("values are percent-encoded")
        items = [
            item for item, _ in islice(xml_records([text], records, percent_encoded=True, whole=False), SAMPLE_LINES)
        ]
    _read_items(items, sheet)


def _read_items(items: Sequence[dict[str, Any]], sheet: Sheet) -> None:
    leaves = [dict(_leaves(item, "", 0)) for item in items[:SAMPLE_LINES]]
    names: dict[str, str] = {}
    for item in leaves:
        for name in item:
            names.setdefault(".".join(column_name(part) for part in name.split(".")), name)
    sheet.nested = any("." in name for name in names)
    if sheet.nested:
        sheet.decided.append("values are nested; columns are paths")
    sheet.names = sorted(names)
    sheet.titles = [names[name] for name in sheet.names]
    folded = [
        {".".join(column_name(part) for part in name.split(".")): value for name, value in item.items()}
        for item in leaves
    ]
    sheet.columns = {name: [item.get(name, "") for item in folded] for name in sheet.names}


def _list_of_objects(content: object) -> tuple[str, list[dict[str, Any]]]:
    """Path to the records and the records: a list, the longest list of objects in a document, or the document."""
    if isinstance(content, list):
        return "", [item for item in cast("list[Any]", content) if isinstance(item, dict)]
    if not isinstance(content, dict):
        return "", []
    document = cast("dict[str, Any]", content)
    best: tuple[str, list[dict[str, Any]]] = ("", [])
    stack: list[tuple[str, dict[str, Any]]] = [("", document)]
    while stack:
        prefix, value = stack.pop()
        for key, item in value.items():
            path = f"{prefix}.{key}" if prefix else key
            if isinstance(item, dict) and path.count(".") < 2:  # noqa: PLR2004 - envelopes are not deep
                stack.append((path, cast("dict[str, Any]", item)))
            elif isinstance(item, list) and item and all(isinstance(one, dict) for one in cast("list[Any]", item)):
                listed = cast("list[dict[str, Any]]", item)
                if len(listed) > len(best[1]):
                    best = (path, listed)
    # A document with values of its own next to a short list is one record with parts.
    if best[1] and (len(best[1]) > 1 or len(document) <= FEW):
        return best
    return "", [document]


def _leaves(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < _MOST_DEPTH:
        for key, item in cast("dict[str, object]", value).items():
            yield from _leaves(item, f"{path}.{key}" if path else key, depth + 1)
    elif (
        isinstance(value, list)
        and depth < _MOST_DEPTH
        and any(isinstance(item, dict) for item in cast("list[object]", value))
    ):
        for index, item in enumerate(cast("list[object]", value)[:2]):
            yield from _leaves(item, f"{path}.{index}", depth + 1)
    elif value is not None and not isinstance(value, dict | list):
        yield path, value if isinstance(value, str) else orjson.dumps(value).decode()


def _json_value(line: str) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
