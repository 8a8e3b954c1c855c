"""The engine on diffusers: models are loaded once, each person is read once."""

import json
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

from ..adapter.checkpoint import load_adapter
from ..errors import CheckpointError, ConsistentIDError, IncompatibleModelError, MissingPackageError
from ..facial_text import compose_for_identity
from ..hosts import portrait
from ..hosts.clip_text import ClipText
from ..hosts.conditioning import encode_prompt
from ..hosts.diffusers_pipeline import sample
from ..hosts.diffusers_unet import install_adapter
from ..hosts.model_files import find_files
from ..hosts.portrait_settings import PortraitSettings, parse_lora, read_settings
from .engine import Drawing, DrawingError, EngineError
from .fingerprint import describe_file

PLANNED = ("face", "identity", "prompt", "seed", "batch", "models_folder")
"""Settings that the plan decides, or that only say where to look."""


class Headless:
    """settings: all but photo, prompt and seed. Files that are not named are looked for as `portrait` does."""

    def __init__(self, settings: PortraitSettings, any_photo: Path):
        if not settings.consistentid:
            raise EngineError("The headless engine evaluates ConsistentID; for Face2Diffusion alone use a workflow.")
        settings = replace(settings, face=str(any_photo), identity="", prompt=settings.word, seed=0, batch=1)
        settings = find_files(settings)
        settings.check()
        device, dtype = portrait.choose_device(settings)
        self.settings = replace(settings, device=device, dtype=dtype)
        self._loaded = None
        self._people: dict[Path, tuple] = {}

    def describe(self) -> dict:
        """Settings by value, files by their hash."""
        record = {}
        for name, value in asdict(self.settings).items():
            if name == "lora":
                value = [[describe_file(path), weight] for path, weight in map(parse_lora, value)]
            elif isinstance(value, str) and value and name not in PLANNED and Path(value).exists():
                value = describe_file(value)
            record[name] = value
        return {"engine": "headless", "settings": {key: record[key] for key in record if key not in PLANNED}}

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        """The time is that of the picture: reading the person the first time, but never loading the models."""
        if self._loaded is None:
            self._loaded = self._load()
        start = time.perf_counter()
        try:
            return Drawing(self._draw(photo, prompt, seed), time.perf_counter() - start)
        except (CheckpointError, IncompatibleModelError, MissingPackageError) as error:
            raise EngineError(str(error)) from error
        except ConsistentIDError as error:
            raise DrawingError(str(error)) from error

    def _draw(self, photo: Path, prompt: str, seed: int):
        adapter, pipeline, settled = self._loaded
        settings = replace(settled, face=str(photo), prompt=prompt, seed=seed)
        settings.check()
        if photo not in self._people:
            identity, found = portrait.read_identity(settings, adapter, settings.device)
            self._people[photo] = identity, portrait.read_people(settings, found, settings.device)
        identity, people = self._people[photo]
        clip = ClipText(pipeline, adapter.config, people)
        composed = compose_for_identity(
            prompt, settings.caption, identity, adapter.config, clip.count_tokens, settings.alignment
        )
        conditioning = encode_prompt(clip, adapter, identity, composed, settings.negative, settings.alignment)
        return sample(pipeline, conditioning, portrait.make_sampling(settings))[0]

    def _load(self):
        adapter = load_adapter(self.settings.adapter)
        settings = self.settings.settle(adapter.config.name)
        for network in (adapter.facial_encoder, adapter.id_projection):
            network.to("cpu" if settings.offload else settings.device).float()
        pipeline = portrait.prepare_pipeline(settings, adapter.config, False)
        install_adapter(pipeline.unet, adapter, settings.weight, settings.lora_weight)
        return adapter, pipeline, settings


def read_run_settings(path: str | Path) -> PortraitSettings:
    """Settings from a PNG of `portrait`, or from a JSON object of `portrait`'s options, dashes as underscores."""
    path = Path(path)
    if path.suffix.lower() == ".png":
        return read_settings(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name for item in fields(PortraitSettings)} - set(PLANNED) | {"models_folder"}
        if strange := sorted(set(values) - known):
            raise EngineError(f"{path}: unknown setting {', '.join(strange)}. Known: {', '.join(sorted(known))}.")
        settings = PortraitSettings(**values | {"lora": tuple(values.get("lora", ()))})
        replace(settings, face="any", prompt=settings.word).check()
        return settings
    except (OSError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, ConsistentIDError):
            raise
        raise EngineError(f"{path} cannot be read as settings ({error}).") from error
