"""Libraries that only some installations need. Each belongs to an extra of this package."""

from importlib.util import find_spec
from typing import Final

from cdr_pipeline.errors import ConfigurationError

# The extras of pyproject.toml, each with a module that only its library has.
_MODULES: Final = {
    "alerts": "apprise",
    "azure": "adlfs",
    "google": "gcsfs",
    "oidc": "authlib",
    "s3": "s3fs",
    "sftp": "sshfs",
}


def missing_extra(extra: str) -> str:
    """Command that installs the library of an extra, "" if it is installed."""
    return "" if find_spec(_MODULES[extra]) else f"python -m pip install 'cdr-pipeline[{extra}]'"


def require_extra(extra: str, needs_it: str) -> None:
    """Checks that the library of an extra is installed.

    Args:
        extra: name of the extra.
        needs_it: what needs it, for the error's text.

    Raises:
        ConfigurationError: it is not installed.
    """
    if command := missing_extra(extra):
        raise ConfigurationError(
            f"{needs_it}: the library that this needs is not installed",
            hint=f"{command}, on every machine that runs steps",
        )
