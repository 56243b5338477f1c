"""Settings for tests that play days by a clock of their own."""

from cdr_pipeline.settings import Settings


def by_own_clock(settings: Settings) -> Settings:
    """The settings, with which no clock is compared with another."""
    return settings.model_copy(update={"clock_tolerance_seconds": float("inf")})
