"""Who is in the photos of a plan: each photo is read once, and what it says is kept as an identity file."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import cast

from ..adapter.checkpoint import Adapter
from ..errors import IdentityFileError
from ..face.package import load_face_analysis
from ..face.photo import open_photo
from ..face2diffusion.encoder import Face2Diffusion, TextIdentity
from ..fingerprint import describe_path, hash_path, hash_record
from ..identity import Identity
from ..identity.encode import PhotoModels, Stages, align_photo
from ..identity.file import load_identity, save_identity
from .person import load_photo_models, load_word_networks, read_identity, read_people
from .plan import name_person
from .portrait_settings import PortraitSettings

FORMAT = 1
"""To be raised when photos are read otherwise."""
READERS = ("clip_vision", "face_parser", "face_package")
CHOICES = ("base", "select", "index", "framing", "pairs", "brows", "hair", "left_out", "id_embedding")


class KeptPeople:
    """settings: those that all portraits share. adapter: None where a word alone is the person. folder: gets the files.

    Models are loaded when a photo needs them, and gone with this object.
    """

    def __init__(self, settings: PortraitSettings, adapter: Adapter | None, folder: Path):
        self.settings, self.adapter, self.folder = settings, adapter, folder
        models = [describe_path(Path(getattr(settings, name)))[1:] for name in READERS if getattr(settings, name)]
        self._made_with = [FORMAT, models, [getattr(settings, name) for name in CHOICES]]

    def find_file(self, photo: str) -> Path:
        """Where the identity of a photo is kept; another photo, other readers or choices have another file."""
        digest = hash_record([self._made_with, hash_path(photo)])
        return self.folder / f"{name_person(photo)}_{digest[:12]}.safetensors"

    def has(self, photo: str) -> bool:
        """Whether all that is to be known of a photo is kept; words that are people are not."""
        return self.adapter is not None and not self.settings.word and _is_whole(self.find_file(photo))

    def read(self, photo: str) -> dict[str, TextIdentity]:
        """Keep the identity of a photo, unless that was done, and return the words that are people. Errors of
        `read_identity`."""
        if self.has(photo):
            return {}
        file = None if self.adapter is None else self.find_file(photo)
        pixels, found = open_photo(photo), None
        if file is not None and self.adapter is not None:
            identity, found = read_identity(pixels, self.settings, self.adapter, self._photo_models)
            self.folder.mkdir(parents=True, exist_ok=True)
            save_identity(identity, file)
        return read_people(self.settings, found or self._align(pixels), self._word_networks)

    def load(self, settings: PortraitSettings) -> Identity | None:
        """Of a row's photo or identity file; None without an adapter. IncompatibleModelError for one that the adapter
        cannot read."""
        if self.adapter is None:
            return None
        file = settings.identity or str(self.find_file(settings.face))
        return read_identity(None, replace(settings, identity=file), self.adapter, None)[0]

    def _align(self, pixels) -> Stages:
        return align_photo(pixels, self._faces, self.settings.select, self.settings.index)

    @cached_property
    def _photo_models(self) -> PhotoModels:
        return load_photo_models(self.settings, cast(Adapter, self.adapter))

    @cached_property
    def _word_networks(self) -> Face2Diffusion | None:
        return load_word_networks(self.settings)

    @cached_property
    def _faces(self):
        return load_face_analysis(self.settings.face_package)


def _is_whole(file: Path) -> bool:
    try:
        return bool(load_identity(file))
    except IdentityFileError:
        return False
