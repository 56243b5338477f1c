"""The one Definitions object, built from the settings of this process."""

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.settings import load_settings

defs = build_definitions(load_settings())
