"""What somebody meant who mistyped a name."""

import difflib
from collections.abc import Iterable


def find_nearest(word: str, known: Iterable[str]) -> str:
    """The known name that comes nearest, "" where none is near; upper and lower case are the same.

    >>> find_nearest("Portrat", ["models", "portrait"]), find_nearest("xyz", ["models"])
    ('portrait', '')
    """
    names = {name.casefold(): name for name in known}
    nearest = difflib.get_close_matches(word.casefold(), names, n=1)
    return names[nearest[0]] if nearest else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """A sentence to put behind what was wrong, "" where no known name is near.

    >>> suggest("stpes", ["steps", "seed"])
    ' Is it steps?'
    """
    nearest = find_nearest(word, known)
    return f" Is it {nearest}?" if nearest else ""
