"""Numbers with the thing that is counted."""


def count(number: int, one: str, many: str = "") -> str:
    """many: the plural, where it is not `one` with an s.

    >>> count(1, "file"), count(4, "file"), count(2, "person", "people")
    ('1 file', '4 files', '2 people')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
