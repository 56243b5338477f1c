"""Number of examples of a property test."""

import hypothesis


def examples(number: int) -> int:
    """A quarter of the number; all of them with another profile, as ``.ci/exhaustive`` chooses."""
    profile = hypothesis.settings.get_current_profile_name()
    return max(number // 4, 5) if profile == "default" else number
