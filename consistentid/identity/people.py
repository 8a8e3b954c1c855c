"""Several people in one picture: who is where."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..adapter.masks import AttentionMask
from ..errors import ConsistentIDError
from .person import Identity


@dataclass(frozen=True, eq=False)
class Person:
    """One person of a picture: in the whole of it, or only inside the mask."""

    identity: Identity
    mask: AttentionMask | None = None
    weight: float = 1.0


def list_masked(people: Sequence[Person]) -> tuple[int, ...]:
    """Numbers of the people who are in a part of the picture."""
    return tuple(number for number, person in enumerate(people) if person.mask is not None)


def list_people(given: Identity | tuple[Person, ...], mask: AttentionMask | None = None) -> tuple[Person, ...]:
    """One identity as one person, in the mask if there is one; several people as they are.

    ConsistentIDError for several people and a mask, since each has one of its own.
    """
    if isinstance(given, Identity):
        return (Person(given, mask),)
    if mask is not None:
        raise ConsistentIDError("Each of several people has a mask in 'Add Person'; disconnect 'mask' here.")
    return given
