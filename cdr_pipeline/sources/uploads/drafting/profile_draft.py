"""Drafts an import profile from files of one kind: what they show is decided, what they cannot show is a question."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cdr_pipeline.errors import InvalidProfile, UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.columns.contents import contents_of
from cdr_pipeline.sources.uploads.drafting.composition import compose
from cdr_pipeline.sources.uploads.drafting.draft import Draft
from cdr_pipeline.sources.uploads.drafting.sheet.reading import read_sheet
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.trial import fitting_profiles, try_profile
from cdr_pipeline.sources.uploads.profiles import read_profile


def draft_profile(
    path: Path, folder: Path | None = None, *, more: Sequence[Path] = (), answers: Mapping[str, str] | None = None
) -> Draft:
    """Drafts a profile from files and tries it on them.

    Args:
        path: file of calls, packed or not.
        folder: folder of the operator's own profiles, which are compared with the file too.
        more: more files of the same kind.
        answers: answers to questions by key, and columns of fields by the field's name.

    Raises:
        UnreadableUpload: a file cannot be opened, holds no rows or no calls, or the files are of different kinds; or an
            answer is not possible.
    """
    sheet = _joined([path, *more])
    contents = contents_of(sheet)
    given = dict(answers or {})
    draft = compose(DraftState(sheet, contents, path, given))
    draft.resembles = fitting_profiles(path, folder)
    assumed = {question.key: question.assumed for question in draft.questions}
    # The assumed answers may lead to further questions, such as the zone of times whose format was one.
    complete = compose(DraftState(sheet, contents, path, given | assumed))
    further = {question.key: question.assumed for question in complete.questions}
    complete = compose(DraftState(sheet, contents, path, given | assumed | further))
    try:
        profile = read_profile("draft", complete.text)
    except InvalidProfile:
        return draft
    draft.trial = try_profile([path, *more], profile)
    return draft


def _joined(paths: Sequence[Path]) -> Sheet:
    """The shape of the first file with the values of all."""
    sheets = [read_sheet(path) for path in paths]
    first = sheets[0]
    for path, sheet in zip(paths[1:], sheets[1:], strict=True):
        if sheet.names != first.names and not sheet.nested:
            raise UnreadableUpload(
                f"{path.name} has other columns than {paths[0].name}", hint="draft a profile for each kind of file"
            )
        for name in first.names:
            first.columns[name] += sheet.columns.get(name, [""] * sheet.rows)
    return first
