"""Who is drawn, from settings: models that read a person, and what they read. Models are held by the caller."""

import numpy as np
import torch

from ..adapter.checkpoint import Adapter, load_adapter
from ..face.omission import read_region_words
from ..face.package import load_face_analysis
from ..face.parsing import load_face_parser
from ..face2diffusion.encoder import Face2Diffusion, TextIdentity, encode_face, load_face2diffusion
from ..face2diffusion.word import normalise_word
from ..identity import Identity
from ..identity.compatibility import check_adapter
from ..identity.encode import PhotoModels, Stages, encode_photo
from ..identity.file import load_identity
from .clip_vision import ClipVision, load_clip_vision
from .portrait_settings import PortraitSettings


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
        regions = settings.extra_regions, read_region_words(settings.left_out)
        identity, found = encode_photo(photo, models, adapter.config.parsing_px, *choice, *regions)
    check_adapter(identity, adapter.config, adapter.source)
    return identity, found


def read_people(settings: PortraitSettings, found: Stages, networks: Face2Diffusion | None) -> dict[str, TextIdentity]:
    """Words of the prompt that are people."""
    if networks is None or found.face_crop is None:
        return {}
    return {normalise_word(settings.word): encode_face(networks, found.face_crop)}
