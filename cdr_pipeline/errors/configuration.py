"""Errors of settings, dates and clocks."""

from cdr_pipeline.errors.base import CdrError


class ConfigurationError(CdrError):
    """A setting is missing or wrong."""

    code = "configuration"
    exit_code = 2


class DayNotBegun(ConfigurationError):
    """The business date has not begun in the account's time zone."""


class ClockDisagrees(CdrError):
    """The clocks of this machine, the warehouse and the switch differ by more than the setting allows."""

    code = "clock_disagrees"
    exit_code = 2
