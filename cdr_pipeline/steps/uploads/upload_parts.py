"""Parts of a file whose rows belong to several profiles: each is an upload of its own."""

import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import InvalidProfile
from cdr_pipeline.sources.uploads.file_parts import FilePart, split_file
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Generator

    from cdr_pipeline.steps.uploads.register_uploads import UploadRequest


@contextmanager
def upload_parts(request: "UploadRequest", ctx: RunContext) -> "Generator[list[UploadRequest]]":
    """The requests for a file: one for each profile of its rows if its profile has ``profile_column``, else itself.

    The parts exist within the block.

    Raises:
        UnknownProfile, InvalidProfile: the profile, or one that it names, does not exist or cannot read rows.
        UnreadableUpload: a row names no known profile, or the file cannot be read.
    """
    profile = load_profile(request.profile, folder=ctx.settings.profile_dir)
    if not profile.profile_column:
        yield [request]
        return
    require_readers(profile, ctx.settings.profile_dir)
    ctx.settings.local_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ctx.settings.local_dir, prefix="parts-") as scratch:
        parts = split_file(request.path, profile, Path(scratch), by_account=False)
        # A file without records is an upload of the first profile, so that it is accounted for.
        empty = FilePart("", next(iter(profile.profile_names.values())), request.path)
        yield [replace(request, path=part.path, profile=part.profile) for part in parts or [empty]]


def require_reader(profile: Profile) -> None:
    """Raises InvalidProfile if a profile only divides files and reads no rows itself."""
    if profile.profile_column:
        raise InvalidProfile(
            f"profile {profile.name} only divides files by {profile.profile_column}",
            hint="take the file in with 'cdr-pipeline import', the drop folder or a place of inbound.toml",
        )


def require_readers(profile: Profile, folder: Path) -> None:
    """Checks that the profiles that a profile names exist and read rows.

    Args:
        profile: profile that divides files.
        folder: folder of the operator's own profiles.

    Raises:
        UnknownProfile, InvalidProfile: one does not.
    """
    for name in dict.fromkeys(profile.profile_names.values()):
        if load_profile(name, folder=folder).profile_column:
            raise InvalidProfile(
                f"profile {profile.name}: [profile_names] names {name}, which divides files itself",
                hint="name profiles with [fields]",
            )
