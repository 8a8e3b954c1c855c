"""Who does the work of a plan of portraits: this process."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..adapter.checkpoint import Adapter
from ..adapter.config import find_config
from ..errors import CheckpointError, ConsistentIDError, MissingPackageError
from ..face2diffusion.encoder import TextIdentity
from .kept_people import KeptPeople
from .person import prepare_adapter
from .portrait import choose_device
from .portrait_settings import PortraitSettings
from .studio import Drawn, Group, Studio, Words

Read = dict[str, TextIdentity] | str
"""Words of the prompt that are people, or why nobody can be read from a photo."""


class Hands:
    """models: what all portraits share, with the path of every model. folder: gets identities. `settings` are the
    models with their defaults; `people` knows who is kept."""

    def __init__(self, models: PortraitSettings, folder: Path):
        device, dtype = choose_device(models)
        self.adapter, self.settings = load_shared(replace(models, device=device, dtype=dtype))
        self.people = KeptPeople(self.settings, self.adapter, folder)

    def read(self, photos: Sequence[str]) -> Iterator[tuple[str, Read]]:
        """Keep the identity of each photo. ConsistentIDError for models that cannot be used."""
        # What reads people is let go before the pipeline is loaded.
        readers = KeptPeople(self.settings, self.adapter, self.people.folder)
        return ((photo, read_person(readers, photo)) for photo in photos)

    def draw(self, groups: Sequence[Group], words: Words) -> Iterator[tuple[Group, list[Drawn]]]:
        """Each group, in any order; its people are kept."""
        studio = Studio(self.settings, self.adapter, self.people, words)
        return ((group, studio.draw(group)) for group in groups)


def load_shared(models: PortraitSettings) -> tuple[Adapter | None, PortraitSettings]:
    """The adapter, None where a word alone is the person, and the settings with their defaults."""
    if models.consistentid:
        return prepare_adapter(models)
    return None, models.settle(find_config(models.base))


def read_person(people: KeptPeople, photo: str) -> Read:
    try:
        return people.read(photo)
    except (CheckpointError, MissingPackageError):  # of the models, not of this photo
        raise
    except ConsistentIDError as error:
        return str(error)
