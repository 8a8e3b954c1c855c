"""Who is drawn, from settings: models that read a person, and what they read. Models are held by the caller."""

from dataclasses import replace

import numpy as np
import torch

from ..adapter.checkpoint import Adapter, load_adapter
from ..adapter.masks import AttentionMask
from ..face.package import load_face_analysis
from ..face.parsing import load_face_parser
from ..face.photo import open_photo, open_picture
from ..face.region_words import read_region_words
from ..face2diffusion.encoder import Face2Diffusion, TextIdentity, encode_face, load_face2diffusion
from ..face2diffusion.word import normalise_word
from ..identity import Identity
from ..identity.compatibility import check_adapter
from ..identity.encode import PhotoModels, Stages, encode_photo
from ..identity.file import load_identity
from ..identity.people import Person
from .clip_vision import ClipVision, load_clip_vision
from .option_texts import parse_person
from .portrait_settings import IDENTITY, PortraitSettings

WIDTH = 1000
"""Columns of a mask that is a part of the width."""


def prepare_adapter(settings: PortraitSettings) -> tuple[Adapter, PortraitSettings]:
    """The adapter, its networks in float32 where they are used, and the settings with its defaults."""
    adapter = load_adapter(settings.adapter)
    settings = settings.settle(adapter.config)
    return adapter.to("cpu" if settings.offload else settings.device, torch.float32), settings


def load_photo_models(settings: PortraitSettings, adapter: Adapter) -> PhotoModels:
    faces = load_face_analysis(settings.face_package) if settings.id_embedding else None
    clip_vision = load_clip_vision(settings.clip_vision, adapter.config).to(settings.device)
    return PhotoModels(ClipVision(clip_vision), load_face_parser(settings.face_parser).to(settings.device), faces)


def load_word_networks(settings: PortraitSettings) -> Face2Diffusion | None:
    """None where no word of the prompt is a person."""
    return load_face2diffusion(settings.face2diffusion).to(settings.device) if settings.word else None


def read_identity(
    photo: np.ndarray | None, settings: PortraitSettings, adapter: Adapter, models: PhotoModels | None
) -> tuple[Identity, Stages]:
    """Of an RGB photo [H, W, 3], or of the identity file where there is none, which needs no models.

    IncompatibleModelError for an identity that the adapter cannot read.
    """
    if photo is None or models is None:
        identity, found = load_identity(settings.identity), Stages([], f"Identity: {settings.identity}")
    else:
        choice = settings.select, settings.index, settings.framing
        pairs, extra = settings.pairs == "both", settings.extra_regions
        omitted = read_region_words(settings.left_out)
        identity, found = encode_photo(photo, models, adapter.config.parsing_px, *choice, pairs, extra, omitted)
    check_adapter(identity, adapter.config, adapter.source)
    return identity, found


def read_everybody(
    photo: np.ndarray | None, settings: PortraitSettings, adapter: Adapter
) -> tuple[tuple[Person, ...], list[Stages]]:
    """Who is drawn, and what was found of each. photo: of the one person, None for a saved identity or several."""
    models = load_photo_models(settings, adapter) if settings.photos else None
    if not settings.person:
        identity, found = read_identity(photo, settings, adapter, models)
        return (Person(identity),), [found]
    people, stages = [], []
    for file, place in map(parse_person, settings.person):
        is_identity = file.endswith(IDENTITY)
        one = replace(settings, identity=file if is_identity else "")
        identity, found = read_identity(None if is_identity else open_photo(file), one, adapter, models)
        people.append(Person(identity, make_mask(place)))
        stages.append(found)
    return tuple(people), stages


def make_mask(place: tuple[float, float] | str | None) -> AttentionMask | None:
    """As `parse_person` names a place; a picture is white where the person is."""
    if place is None:
        return None
    if isinstance(place, str):
        return AttentionMask(torch.from_numpy(np.array(open_picture(place).convert("L"), np.float32) / 255)[None])
    columns = (torch.arange(WIDTH) + 0.5) / WIDTH
    return AttentionMask(((columns > place[0]) & (columns < place[1])).float()[None, None])


def read_people(settings: PortraitSettings, found: Stages, networks: Face2Diffusion | None) -> dict[str, TextIdentity]:
    """Words of the prompt that are people."""
    if networks is None or found.face_crop is None:
        return {}
    return {normalise_word(settings.word): encode_face(networks, found.face_crop)}
