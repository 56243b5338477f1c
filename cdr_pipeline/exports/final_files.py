"""Finds the final files of all days below the folder of exports, by their manifests."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.daily_file import is_final
from cdr_pipeline.exports.file_names import MANIFEST_SUFFIX, day_of_name, month_folder
from cdr_pipeline.exports.manifest import Manifest, decode_manifest


@dataclass(frozen=True, slots=True)
class FinalFile:
    """A file that a manifest on disk announces as final; the file itself may be missing.

    Attributes:
        path: path of the file.
        manifest: its manifest.
        text: text of the manifest on disk.
    """

    path: Path
    manifest: Manifest
    text: str

    @property
    def version(self) -> int:
        """Version of the day."""
        return self.manifest.version


@dataclass(frozen=True, slots=True)
class FinalDay:
    """The final files of one account's day, and its unusable manifests with the reason of each."""

    account_id: str
    business_date: date
    files: tuple[FinalFile, ...]
    unusable: tuple[tuple[Path, str], ...]


def final_days(export_dir: Path) -> Iterator[FinalDay]:
    """Days with final files on disk, by account and date; reads one month's folder at a time."""
    for folder in sorted(export_dir.glob("*/[0-9][0-9][0-9][0-9]/[0-9][0-9]")):
        days: dict[tuple[str, date], list[Path]] = {}
        for path in sorted(folder.glob(f"cdrs_*{MANIFEST_SUFFIX}")):
            name_parts = day_of_name(path.name)
            if name_parts is not None and folder == month_folder(export_dir, name_parts[0], name_parts[1]):
                days.setdefault(name_parts[:2], []).append(path)
        for (account_id, business_date), paths in sorted(days.items()):
            day = _final_day(account_id, business_date, paths)
            if day.files or day.unusable:
                yield day


def _final_day(account_id: str, business_date: date, paths: list[Path]) -> FinalDay:
    files: list[FinalFile] = []
    unusable: list[tuple[Path, str]] = []
    for path in paths:
        if not is_final(path):
            continue
        try:
            text = path.read_bytes()
            manifest = decode_manifest(text, path.name)
        except OSError as error:
            unusable.append((path, f"cannot be read: {error.strerror}"))
        except ExportError as error:
            unusable.append((path, error.message))
        else:
            name = path.name.removesuffix(MANIFEST_SUFFIX)
            name_parts = (manifest.account_id, manifest.business_date, manifest.file)
            if name_parts != (account_id, business_date.isoformat(), name):
                unusable.append((path, "it describes another file or day than its name"))
            else:
                files.append(FinalFile(path.with_name(name), manifest, text.decode()))
    return FinalDay(account_id, business_date, tuple(files), tuple(unusable))
