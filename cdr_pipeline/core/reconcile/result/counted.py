"""Numbers of things in words."""


def counted(count: int, noun: str) -> str:
    """The number with its noun: ``1 break``, ``2 breaks``, ``no breaks``."""
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
