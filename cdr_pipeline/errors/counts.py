"""Numbers with their nouns in messages."""


def count_of(number: int, one: str, several: str = "") -> str:
    """A number with its noun, such as ``1 row`` or ``2 rows``.

    Args:
        number: the number.
        one: words after 1.
        several: words after any other number; by default ``one`` with an s.
    """
    return f"{number} {one if number == 1 else several or one + 's'}"
