"""All settings of an installation, composed of one section a topic."""

from cdr_pipeline.settings.collect import CollectSettings
from cdr_pipeline.settings.days import DaySettings
from cdr_pipeline.settings.operations import OperationSettings
from cdr_pipeline.settings.section import PREFIX
from cdr_pipeline.settings.serve import ServeSettings
from cdr_pipeline.settings.uploads import UploadSettings
from cdr_pipeline.settings.warehouse import WarehouseSettings


# Pydantic lists the fields of the last base class first.
class Settings(OperationSettings, ServeSettings, WarehouseSettings, DaySettings, UploadSettings, CollectSettings):
    """Settings of an installation. An unknown ``CDR_*`` variable is an error, because it is usually a typo."""


def variable_of(field: str) -> str:
    """The environment variable that sets a field of ``Settings``."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()
