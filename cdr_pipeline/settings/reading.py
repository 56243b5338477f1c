"""Reads the settings from the environment and ``.env``, and reports their values, sources and problems."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from pydantic import SecretStr, ValidationError

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings.settings import PREFIX, Settings, variable_of

# An invalid value is not shown: it can be a secret in the wrong place, such as a password in CDR_API_URL.
_INVALID: Final = "(invalid)"


@dataclass(frozen=True, slots=True)
class SettingReport:
    """One line of ``cdr-pipeline config check``.

    Attributes:
        variable: name of the environment variable.
        value: value of the setting; secrets are masked.
        source: ``environment``, ``.env`` or ``default``.
        description: description of the setting.
        problem: error of the value; empty if it is valid.
    """

    variable: str
    value: str
    source: str
    description: str
    problem: str = ""


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and ``.env``.

    Args:
        environ: environment to check; that of the process when omitted.

    Raises:
        ConfigurationError: a variable is invalid, unknown, or disables validation; the message names all of them.
    """
    reports, settings = inspect_settings(environ)
    problems = [f"{report.variable}: {report.problem}" for report in reports if report.problem]
    if settings is None or problems:
        raise ConfigurationError(
            "; ".join(problems),
            hint="'cdr-pipeline config check' lists every setting and where it comes from",
        )
    return settings


def inspect_settings(
    environ: Mapping[str, str] | None = None,
) -> tuple[list[SettingReport], Settings | None]:
    """Every setting with its masked value, source and problem, and the settings if they are valid."""
    environment = dict(os.environ) if environ is None else dict(environ)
    dotenv = _dotenv()
    problems = _unknown_variables(environment | dotenv) | _validation_switches(environment)
    settings: Settings | None = None
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = str(fault["loc"][0]) if fault["loc"] else PREFIX
            variable = variable_of(name) if name in Settings.model_fields else name.upper()
            problems[variable] = str(fault["msg"]).removeprefix("Value error, ")
    given = {name.upper(): value for name, value in (dotenv | environment).items()}
    reports = [
        SettingReport(
            variable=(variable := variable_of(field)),
            value=_masked_value(field, settings, given) if variable not in problems else _INVALID,
            source=_source(variable, environment, dotenv),
            description=Settings.model_fields[field].description or "",
            problem=problems.pop(variable, ""),
        )
        for field in Settings.model_fields
    ]
    reports += [
        SettingReport(variable, "", _source(variable, environment, dotenv), "", problem)
        for variable, problem in sorted(problems.items())
    ]
    return reports, settings


def _dotenv() -> dict[str, str]:
    from dotenv import dotenv_values  # noqa: PLC0415 - only a report and a child process need it

    return {name: value for name, value in dotenv_values(".env").items() if value is not None}


def _unknown_variables(variables: Mapping[str, str]) -> dict[str, str]:
    variables_of_settings = {variable_of(field) for field in Settings.model_fields}
    return {
        name: "no such setting"
        for name in variables
        if name.startswith(PREFIX) and name not in variables_of_settings and not name.startswith("CDR_TEST_")
    }


def _validation_switches(environment: Mapping[str, str]) -> dict[str, str]:
    """Problems of Pandera's own variables, which can silently disable the checks of values."""
    problems: dict[str, str] = {}
    if environment.get("PANDERA_VALIDATION_ENABLED", "true").lower() in {"false", "0"}:
        problems["PANDERA_VALIDATION_ENABLED"] = "would let bad rows into the warehouse; unset it"
    if environment.get("PANDERA_VALIDATION_DEPTH", "SCHEMA_AND_DATA") == "SCHEMA_ONLY":
        problems["PANDERA_VALIDATION_DEPTH"] = "would let bad rows into the warehouse; unset it"
    return problems


def _source(variable: str, environment: Mapping[str, str], dotenv: Mapping[str, str]) -> str:
    names = {name.upper() for name in environment}
    if variable in names:
        return "environment"
    return ".env" if variable in {name.upper() for name in dotenv} else "default"


def _masked_value(field: str, settings: Settings | None, given: Mapping[str, str]) -> str:
    """Value of a valid setting; as it was given if another setting is invalid and there are no settings."""
    info = Settings.model_fields[field]
    if settings is None:
        text = given.get(variable_of(field))
        value = info.get_default(call_default_factory=True) if text is None else text
    else:
        value = getattr(settings, field)
    if value is None:
        return ""
    secret = SecretStr in (info.annotation, *get_args(info.annotation))
    return "********" if secret else str(value)
