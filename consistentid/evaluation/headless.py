"""The headless engine for a plan: models are loaded once, each person is read once."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import nn

from ..adapter.checkpoint import Adapter
from ..adapter.config import find_config
from ..checked import TableError, check_table, parse_json
from ..errors import CheckpointError, ConsistentIDError, IncompatibleModelError, MissingPackageError
from ..face.package import load_face_analysis
from ..face.photo import open_photo
from ..face2diffusion.encoder import Face2Diffusion, TextIdentity
from ..fingerprint import describe_file, hash_path
from ..headless.model_choice import find_files
from ..headless.option_texts import parse_lora
from ..headless.person import load_photo_models, load_word_networks, prepare_adapter, read_identity, read_people
from ..headless.pipeline import sample
from ..headless.portrait import (
    change_person,
    choose_device,
    encode_text,
    encode_word_text,
    make_sampling,
    prepare_pipeline,
)
from ..headless.portrait_settings import FILES, PortraitSettings, read_settings
from ..headless.unet import InstalledAdapter, install_adapter
from ..identity import Identity
from ..identity.encode import PhotoModels, align_photo
from ..suggestion import suggest
from .engine import Drawing, DrawingError, Engine, EngineError

PLANNED = ("face", "identity", "person", "prompt", "seed", "batch", "models_folder")
"""Settings that the plan decides, or that only say where to look."""
LATER = ("brows", "hair", "left_out", "pairs", "change", "change_strength")
ADDED = {item.name: item.default for item in fields(PortraitSettings) if item.name in LATER}
"""Settings that earlier runs did not have, and their defaults, which are no difference."""


@dataclass(frozen=True)
class Loaded:
    """The models of a run, and its settings with their defaults.

    adapter, photo_models: None where a word alone is the person; faces finds it then. word_networks: None without one.
    """

    adapter: Adapter | None
    pipeline: Any
    installed: InstalledAdapter | None
    photo_models: PhotoModels | None
    faces: Any
    word_networks: Face2Diffusion | None
    settings: PortraitSettings

    def place_readers(self, device: str) -> None:
        """What reads a person is on the device only meanwhile, but for InsightFace: drawing needs the memory."""
        models = self.photo_models
        for network in (*((models.encoder.network, models.parser) if models else ()), self.word_networks):
            if isinstance(network, nn.Module):
                network.to(device)


class Headless(Engine):
    """settings: all but photo, prompt and seed. Files that are not named are looked for as `portrait` does. captions:
    {photo: facial description}, in place of that of the settings. place: device and precision, by default those that
    suit this machine."""

    def __init__(
        self,
        settings: PortraitSettings,
        any_photo: Path,
        captions: Mapping[Path, str] | None = None,
        place: tuple[str, str] | None = None,
    ):
        settings = replace(settings, face=str(any_photo), identity="", person=(), prompt=settings.word, seed=0, batch=1)
        settings.check()
        settings = find_files(settings)
        device, dtype = place or choose_device(settings)
        self.settings = replace(settings, device=device, dtype=dtype)
        self.captions = {} if captions is None else captions
        self._loaded: Loaded | None = None
        self._people: dict[Path, tuple[Identity | None, dict[str, TextIdentity]]] = {}

    def describe(self) -> dict:
        """Settings by value, as JSON reads them back, and files by their hash."""
        record = {}
        for name, value in asdict(self.settings).items():
            if name == "lora":
                value = [[describe_file(path), weight] for path, weight in map(parse_lora, value)]
            elif name in FILES and value:
                value = describe_file(value)
            if name not in ADDED or value != ADDED[name]:
                record[name] = list(value) if isinstance(value, tuple) else value
        told = {hash_path(photo): caption for photo, caption in self.captions.items()}
        described = {"engine": "headless", "settings": {key: record[key] for key in record if key not in PLANNED}}
        return described | ({"captions": told} if told else {})

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        """The time is that of the picture: reading the person the first time, but never loading the models."""
        if self._loaded is None:
            self._loaded = self._load()
        start = time.perf_counter()
        try:
            return Drawing(self._draw(self._loaded, photo, prompt, seed), time.perf_counter() - start)
        except (CheckpointError, IncompatibleModelError, MissingPackageError) as error:
            raise EngineError(str(error)) from error
        except ConsistentIDError as error:
            raise DrawingError(str(error)) from error

    def _draw(self, loaded: Loaded, photo: Path, prompt: str, seed: int) -> Image.Image:
        caption = self.captions.get(photo, loaded.settings.caption)
        settings = replace(loaded.settings, face=str(photo), prompt=prompt, seed=seed, caption=caption)
        settings.check()
        if photo not in self._people:
            loaded.place_readers(settings.device)
            try:
                self._people[photo] = _read(loaded, open_photo(photo), settings)
            finally:
                loaded.place_readers("cpu")
        identity, people = self._people[photo]
        if loaded.adapter is None or loaded.installed is None or identity is None:
            conditioning = encode_word_text(loaded.pipeline, find_config(settings.base), people, settings)
            return sample(loaded.pipeline, conditioning, make_sampling(settings))[0]
        changed = change_person(identity, settings)
        _, conditioning = encode_text(loaded.pipeline, loaded.adapter, changed, people, settings)
        loaded.installed.set_weights(settings.weight * changed.weight, settings.lora_weight, changed.schedule)
        return sample(loaded.pipeline, conditioning, make_sampling(settings), loaded.installed)[0]

    def _load(self) -> Loaded:
        if not self.settings.consistentid:
            return self._load_words()
        adapter, settings = prepare_adapter(self.settings)
        at_rest = replace(settings, device="cpu")
        photo_models, word_networks = load_photo_models(at_rest, adapter), load_word_networks(at_rest)
        pipeline = prepare_pipeline(settings, adapter.config)
        installed = install_adapter(pipeline.unet, adapter, settings.weight, settings.lora_weight)
        return Loaded(adapter, pipeline, installed, photo_models, None, word_networks, settings)

    def _load_words(self) -> Loaded:
        """Face2Diffusion alone."""
        base = find_config(self.settings.base)
        settings = self.settings.settle(base)
        faces, networks = load_face_analysis(settings.face_package), load_word_networks(replace(settings, device="cpu"))
        return Loaded(None, prepare_pipeline(settings, base), None, None, faces, networks, settings)


def _read(
    loaded: Loaded, photo: np.ndarray, settings: PortraitSettings
) -> tuple[Identity | None, dict[str, TextIdentity]]:
    """Who is in a photo: the identity for the adapter, if there is one, and the words that are people."""
    if loaded.adapter:
        identity, found = read_identity(photo, settings, loaded.adapter, loaded.photo_models)
    else:
        identity, found = None, align_photo(photo, loaded.faces, settings.select, settings.index)
    return identity, read_people(settings, found, loaded.word_networks)


def read_run_settings(path: str | Path) -> PortraitSettings:
    """Settings from a PNG of `portrait`, or from a JSON object of `portrait`'s options, dashes as underscores."""
    path = Path(path)
    if path.suffix.lower() == ".png":
        return read_settings(path)
    known = {item.name for item in fields(PortraitSettings)} - set(PLANNED) | {"models_folder"}
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
        if isinstance(values, dict) and (strange := sorted(values.keys() - known)):
            raise EngineError(
                f"{path}: unknown setting {', '.join(strange)}.{suggest(strange[0], known)} "
                f"Known: {', '.join(sorted(known))}."
            )
        settings = check_table(PortraitSettings, values)
    except EngineError:
        raise
    except (OSError, ValueError, TableError) as error:
        raise EngineError(f"{path} cannot be read as settings ({error}).") from error
    replace(settings, face="any", prompt=settings.word).check()
    return settings
