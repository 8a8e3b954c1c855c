"""Several people in one run of a UNet: where the ID tokens and the words of each act."""

from dataclasses import dataclass, field

from torch import Tensor

from ..adapter.masks import Biases, Place, TokenMask
from ..errors import IncompatibleModelError
from ..identity.people import Person

Words = tuple[tuple[TokenMask, ...], ...]


@dataclass(eq=False)
class RunMasks:
    """size: height and width of the latent; words: of each row of the batch, changed at the merge point; images: the
    number of the picture that each row is of."""

    people: tuple[Person, ...]
    size: tuple[int, int]
    words: Words
    images: tuple[int, ...]
    _biases: Biases = field(default_factory=Biases)

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple((image, None) for image in self.images)

    def weigh_person(self, number: int, query: Tensor) -> float | Tensor:
        """Weight of a person's ID tokens for a query [B, N, C]: a number, or one for each pixel [B, N, 1]."""
        person = self.people[number]
        if person.mask is None:
            return person.weight
        return person.weight * person.mask.fit(find_grid(self.size, query.shape[1]), self.places, query)

    def make_bias(self, query: Tensor, length: int) -> Tensor | None:
        """What to add to the scores of a text of `length` tokens, [B, N, length]; None where no words are masked."""
        if not any(self.words):
            return None
        grid = find_grid(self.size, query.shape[1])
        return self._biases.get(self.words, self.places, grid, length, query.device, query.dtype)


def find_grid(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Height and width of a feature map of so many pixels in a UNet for latents of `size`.

    >>> find_grid((16, 33), 8 * 17)
    (8, 17)
    """
    height, width = size
    while height * width > pixels:
        height, width = -(-height // 2), -(-width // 2)
    if height * width != pixels:
        raise IncompatibleModelError(
            f"A layer of this UNet has {pixels} pixels for a latent of {size[1]} x {size[0]}, so masks of people and "
            "maps of attention have no place there. Draw one person, without a mask and without --attention."
        )
    return height, width
