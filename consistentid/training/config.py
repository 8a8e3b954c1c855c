"""Every choice of a training run: one table for the YAML file, its defaults, and the record in a checkpoint."""

import difflib
import json
import math
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

from ..adapter.config import CONFIGS
from ..choices import ALIGNMENTS
from ..errors import ConsistentIDError
from ..packages import needed

PRECISIONS = ("no", "bf16", "fp16")
RATES = ("constant", "cosine")


class ConfigError(ConsistentIDError):
    """A training configuration that cannot be run."""


def key(text: str, default=MISSING, **more):
    """A field with its help text; without a default the file must name it. choices: all allowed values; fixed False:
    may change when a run goes on."""
    return field(default=default, metadata={"help": text, "fixed": True, **more})


@dataclass(frozen=True)
class TrainingConfig:
    """What to train, on what, and how. Paths are as given, from the current folder. Defaults are the published ones."""

    checkpoint: str = key("the base model's weights: a diffusers folder or a single file")
    clip_vision: str = key("CLIP ViT-H/14: a file, or a folder of transformers")
    dataset: str = key("training set: its folder, or its JSON file")
    output: str = key("folder for the adapter, checkpoints, log and sheets", fixed=False)
    steps: int = key("optimiser steps in all", fixed=False)
    base: str = key("which base model that is", "sd15", choices=tuple(base.name for base in CONFIGS))
    base_config: str = key("diffusers folder with configuration and tokenizers for a single file, offline", "")
    adapter: str = key("adapter file to start from; without it new weights are made", "")
    rank: int = key("rank of the LoRA, where no adapter is given", 128)
    resolution: int = key("side of the pictures in pixels", 512)
    batch: int = key("pictures for each optimiser step, over all devices", 16)
    micro_batch: int = key("pictures on one device at a time; the rest of the batch is accumulated", 8, fixed=False)
    learning_rate: float = key("of AdamW", 1e-4)
    rates: str = key("how the learning rate goes on after the warm-up", "constant", choices=RATES)
    warmup: int = key("steps in which the learning rate rises from 0", 0)
    weight_decay: float = key("of AdamW", 1e-2)
    gradient_clip: float = key("largest norm of the gradient; 0 does not clip", 0.0)
    mask_probability: float = key("how often the noise loss counts the person alone", 0.5)
    class_prompt: str = key(
        "text for which the base model says what lies around the person, in place of leaving it out", ""
    )
    drop_probability: float = key("how often text, photo, regions and ID embedding are dropped", 0.1)
    id_drop_probability: float = key("how often ID tokens alone are dropped: the person comes from facial tokens", 0.0)
    localisation_weight: float = key("of the localisation loss; 0 leaves it out", 0.01)
    localisation_blocks: int = key("blocks of the UNet, from the middle, whose attention it sees; 0: 5, SDXL 3", 0)
    alignment: str = key("which region meets which word", "auto", choices=ALIGNMENTS)
    unite_pairs: bool = key("both eyes, ears and lips in a region, not the first found of each", False)
    precision: str = key("mixed precision", "no", choices=PRECISIONS, fixed=False)
    gradient_checkpointing: bool = key("compute activations twice: less memory, slower", False, fixed=False)
    cache: str = key(
        "folder for what VAE and image encoder make of each picture, which later epochs then read", "", fixed=False
    )
    ema: float = key("decay of an average of the weights, kept beside them; 0: none", 0.0)
    seed: int = key("of new weights, noise, timesteps, order and chance", 0)
    workers: int = key("processes that read pictures, on each device", 4, fixed=False)
    log_every: int = key("steps between lines of the log", 10, fixed=False)
    tensorboard: bool = key("log for TensorBoard too", False, fixed=False)
    save_every: int = key("steps between checkpoints", 1000, fixed=False)
    keep: int = key("checkpoints kept, the newest", 2, fixed=False)
    sheet_every: int = key("steps between sample sheets; 0: none", 0, fixed=False)
    sheet_people: int = key("people of a sheet: the first records", 2, fixed=False)
    sheet_prompts: tuple[str, ...] = key("prompts of a sheet", ("a photo of a person in a park",), fixed=False)
    sheet_steps: int = key("sampling steps of a sheet", 20, fixed=False)

    def check(self) -> None:
        """ConfigError for values that no run can have."""
        problem = next((text for is_wrong, text in self._list_problems() if is_wrong), None)
        if problem:
            raise ConfigError(problem)

    def _list_problems(self):
        for item in fields(self):
            value = getattr(self, item.name)
            yield item.default is MISSING and not value and value != 0, f"{item.name} is empty; name it."
            yield isinstance(value, float) and not math.isfinite(value), f"{item.name} is {value}, which is no number."
        positive = ("steps", "rank", "resolution", "batch", "micro_batch", "log_every", "save_every", "keep")
        for name in (*positive, "sheet_people", "sheet_steps", "learning_rate"):
            yield getattr(self, name) <= 0, f"{name} is {getattr(self, name)}; it must be above 0."
        for name in ("mask_probability", "drop_probability", "id_drop_probability", "ema"):
            yield not 0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}; it is a part, 0 to 1."
        for name in ("warmup", "workers", "sheet_every", "localisation_weight", "localisation_blocks", "gradient_clip"):
            yield getattr(self, name) < 0, f"{name} is {getattr(self, name)}; it must not be negative."
        yield self.resolution % 64 != 0, f"resolution is {self.resolution}; it must be a multiple of 64."
        yield self.sheet_every and not self.sheet_prompts, "sheet_prompts is empty; sheets need a prompt."

    def count_accumulated(self, processes: int) -> int:
        """How many micro-batches each of the processes adds up for one step."""
        share = self.micro_batch * processes
        if self.batch % share:
            raise ConfigError(
                f"batch {self.batch} is not a multiple of micro_batch {self.micro_batch} x {processes} processes. "
                f"Change one of them."
            )
        return self.batch // share

    def check_continued(self, before: dict) -> None:
        """ConfigError when a run is to go on with another training than it was begun with."""
        now = json.loads(json.dumps(asdict(self)))
        fixed = [item.name for item in fields(self) if item.metadata["fixed"]]
        # A key that an earlier version did not know was at its default.
        before = {item.name: item.default for item in fields(self)} | before
        changed = [f"{name} was {before[name]!r}" for name in fixed if before[name] != now[name]]
        if changed:
            raise ConfigError(
                f"{self.output} holds a run with other settings: {', '.join(changed)}. Put them back, or name another "
                "output."
            )


def read_config(path: str | Path) -> TrainingConfig:
    """The configuration in a YAML file, every key checked; ConfigError names what is wrong with it."""
    with needed("pyyaml", "Reading the configuration"):
        import yaml
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML ({error}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no configuration: lines like 'steps: 1000' are needed.")
    known = {item.name: item for item in fields(TrainingConfig)}
    for name in content.keys() - known.keys():
        nearest = difflib.get_close_matches(str(name), known, n=1)
        raise ConfigError(f"{path}: unknown key '{name}'.{f' Is it {nearest[0]}?' if nearest else ''}")
    absent = [name for name, item in known.items() if item.default is MISSING and name not in content]
    if absent:
        raise ConfigError(f"{path} must name {', '.join(absent)}.")
    config = TrainingConfig(**{name: _convert(known[name], value, path) for name, value in content.items()})
    config.check()
    return config


def _convert(item, value, path):
    """A value as YAML read it -> one of the field's type; 1e-4, which YAML takes for text, is a number."""
    if item.type is float and isinstance(value, int | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            value = float(value)
    if item.type == tuple[str, ...] and isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(value)
    choices = item.metadata.get("choices")
    # YAML reads a bare `no` as false.
    value = "no" if value is False and choices and "no" in choices else value
    if type(value) is not item.type or (choices and value not in choices):
        kind = "a list of texts" if item.type == tuple[str, ...] else item.type.__name__
        wanted = " or ".join(choices) if choices else kind
        raise ConfigError(f"{path}: {item.name} is {value!r}; {wanted} is needed.")
    return value
