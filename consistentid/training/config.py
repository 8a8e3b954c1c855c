"""Every choice of a training run: one table for the YAML file, its defaults, and the record in a checkpoint."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..adapter.config import CONFIGS, SDXL
from ..checked import TABLE, Problem, TableError, check_table, describe_choice
from ..choices import ALIGNMENTS
from ..errors import ConsistentIDError
from ..face.region_words import ALL_WORDS, OTHER_NAMES, PUBLISHED_REGIONS, RegionWord, order_words
from ..packages import needed
from ..suggestion import suggest

PRECISIONS = ("no", "bf16", "fp16")
CLASS_WORDS = ("a person", "a man", "a woman", "a boy", "a girl")
RATES = ("constant", "cosine")
METHODS = ("consistentid", "face2diffusion")


class ConfigError(ConsistentIDError):
    """A training configuration that cannot be run."""


def key(text: str, default: Any = MISSING, fixed: bool = True, **allowed) -> Any:
    """A field with its help text; without a default the file must name it. fixed False: may change when a run goes on.
    allowed: choices, and limits as `describe_choice` takes them."""
    return field(default=default, metadata={"help": text, "fixed": fixed, **describe_choice(default, **allowed)})


@dataclass(frozen=True)
class TrainingConfig:
    """What to train, on what, and how. Paths are as given, from the current folder. Defaults are the published ones."""

    __pydantic_config__ = TABLE

    checkpoint: str = key("the base model's weights: a diffusers folder or a single file", min_length=1)
    clip_vision: str = key("CLIP ViT-H/14: a file, or a folder of transformers", min_length=1)
    dataset: str = key("training set: its folder, its JSON file, or the folder or address of its shards", min_length=1)
    output: str = key("folder for the adapter, checkpoints, log and sheets", fixed=False, min_length=1)
    steps: int = key("optimiser steps in all", fixed=False, gt=0)
    method: str = key("what is trained", METHODS[0], choices=METHODS)
    base: str = key("which base model that is", "sd15", choices=tuple(base.name for base in CONFIGS))
    base_config: str = key("diffusers folder with configuration and tokenizers for a single file, offline", "")
    adapter: str = key("adapter file to start from; without it new weights are made", "")
    rank: int = key("rank of the LoRA, where no adapter is given", 128, gt=0)
    resolution: int = key("side of the pictures in pixels", 512, gt=0, multiple_of=64)
    batch: int = key("pictures for each optimiser step, over all devices", 16, gt=0)
    micro_batch: int = key(
        "pictures on one device at a time; the rest of the batch is accumulated", 8, fixed=False, gt=0
    )
    learning_rate: float = key("of AdamW", 1e-4, gt=0)
    rates: str = key("how the learning rate goes on after the warm-up", "constant", choices=RATES)
    warmup: int = key("steps in which the learning rate rises from 0", 0, ge=0)
    weight_decay: float = key("of AdamW", 1e-2)
    gradient_clip: float = key("largest norm of the gradient; 0 does not clip", 0.0, ge=0)
    mask_probability: float = key("how often the noise loss counts the person alone", 0.5, ge=0, le=1)
    class_prompt: str = key(
        "text for which the base model says what lies around the face, in place of leaving out what is not the person",
        "",
    )
    drop_probability: float = key("how often text, photo, regions and ID embedding are dropped", 0.1, ge=0, le=1)
    id_drop_probability: float = key(
        "how often ID tokens alone are dropped: the person comes from facial tokens", 0.0, ge=0, le=1
    )
    localisation_weight: float = key("of the localisation loss; 0 leaves it out", 0.01, ge=0)
    localisation_blocks: int = key("middle blocks of the UNet whose attention it sees; 0: 5, SDXL 3", 0, ge=0)
    alignment: str = key("which region meets which word", "auto", choices=ALIGNMENTS)
    regions: tuple[RegionWord, ...] = key(
        "regions that get facial tokens", PUBLISHED_REGIONS, choices=ALL_WORDS, min_length=1
    )
    extra_drop_probability: float = key(
        "how often each of eyebrows and hair is left out, so that the adapter draws without them too", 0.3, ge=0, le=1
    )
    unite_pairs: bool = key("both eyes, ears and lips in a region, not the first found of each", False)
    precision: str = key("mixed precision", "no", choices=PRECISIONS, fixed=False)
    gradient_checkpointing: bool = key("compute activations twice: less memory, slower", False, fixed=False)
    share_out: bool = key("frozen UNet and the optimiser's memory in parts, one on each device", False, fixed=False)
    cache: str = key(
        "folder for what VAE and image encoder make of each picture, which later epochs then read", "", fixed=False
    )
    ema: float = key("decay of an average of the weights, kept beside them; 0: none", 0.0, ge=0, le=1)
    seed: int = key("of new weights, noise, timesteps, order and chance", 0)
    workers: int = key("processes that read pictures, on each device", 4, fixed=False, ge=0)
    log_every: int = key("steps between lines of the log", 10, fixed=False, gt=0)
    tensorboard: bool = key("log for TensorBoard too", False, fixed=False)
    save_every: int = key("steps between checkpoints", 1000, fixed=False, gt=0)
    keep: int = key("checkpoints kept, the newest", 2, fixed=False, gt=0)
    sheet_every: int = key("steps between sample sheets; 0: none", 0, fixed=False, ge=0)
    sheet_people: int = key("people of a sheet, nobody twice while there are others", 2, fixed=False, gt=0)
    sheet_prompts: tuple[str, ...] = key("prompts of a sheet", ("a photo of a person in a park",), fixed=False)
    sheet_steps: int = key("sampling steps of a sheet", 20, fixed=False, gt=0)

    @property
    def extra_regions(self) -> tuple[RegionWord, ...]:
        """Regions that the published training does not have."""
        return tuple(word for word in self.regions if word not in PUBLISHED_REGIONS)

    def check(self) -> None:
        """ConfigError for values that no run can have."""
        _check(type(self), asdict(self), "")

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
        now = asdict(self)
        fixed = [item.name for item in fields(self) if item.metadata["fixed"]]
        # A key that an earlier version did not know was at its default; JSON has lists for tuples.
        before = {item.name: item.default for item in fields(self)} | before
        changed = [f"{name} was {before[name]!r}" for name in fixed if _freeze(before[name]) != _freeze(now[name])]
        if changed:
            raise ConfigError(
                f"{self.output} holds a run with other settings: {', '.join(changed)}. Put them back, or name another "
                "output."
            )


@dataclass(frozen=True, kw_only=True)
class MappingConfig(TrainingConfig):
    """The same for Face2Diffusion's mapping network, with keys of its own."""

    method: str = key("what is trained", METHODS[1], choices=METHODS[1:])
    clip_vision: str = key("not read", "")
    face2diffusion: str = key("folder with Face2Diffusion's encoder, msid", min_length=1)
    face_package: str = key("InsightFace package, whose landmarks align the faces", min_length=1)
    mapping: str = key("folder with a mapping network to start from, trained here; without it new weights are made", "")
    class_prompt: str = key(
        "text of the pictures, in which the person takes the place of a class word; {caption} is the record's",
        "a photo of a person",
    )
    class_words: tuple[str, ...] = key("class words, of which the first in a text is the person", CLASS_WORDS)
    null_probability: float = key("how often the neutral expression stands for the measured one", 0.2, ge=0, le=1)


CONFIGURATIONS = dict(zip(METHODS, (TrainingConfig, MappingConfig), strict=True))
IDLE = (
    *("clip_vision", "adapter", "rank", "mask_probability", "drop_probability", "id_drop_probability"),
    *("localisation_weight", "localisation_blocks", "alignment", "regions", "extra_drop_probability", "unite_pairs"),
    "cache",
)
"""Keys that do nothing for a mapping network."""


def read_config(path: str | Path) -> TrainingConfig:
    """The configuration in a YAML file, every key checked; ConfigError names what is wrong with it."""
    with needed("pyyaml", "Reading the configuration"):
        import yaml
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is not there. The YAML file of a run is described in docs/training.md.") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML ({error}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no configuration: lines like 'steps: 1000' are needed.")
    method = str(content.get("method", METHODS[0]))
    if method not in METHODS:
        raise ConfigError(f"{path}: method is '{method}'; {' or '.join(METHODS)} is needed.{suggest(method, METHODS)}")
    kind = CONFIGURATIONS[method]
    known = {item.name: item for item in fields(kind)}
    values = {name: _read(known[name], v) if name in known else v for name, v in content.items()}
    return _check(kind, values, f"{path}: ")


def _read(item: Field, value):
    """What YAML takes for text or false: 1e-4 is a number, and a bare `no` may be a choice. Regions by other names."""
    if item.name == "regions" and isinstance(value, list):
        return [OTHER_NAMES.get(word, word) if isinstance(word, str) else word for word in value]
    if item.type is float and isinstance(value, int | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            return float(value)
    return "no" if value is False and "no" in item.metadata.get("choices", ()) else value


def _check(kind: type[TrainingConfig], values: Mapping[str, Any], where: str) -> TrainingConfig:
    try:
        config = check_table(kind, values)
    except TableError as error:
        raise ConfigError(f"{where}{_explain(kind, error.problem)}") from error
    if problem := next((text for is_wrong, text in _list_problems(config) if is_wrong), ""):
        raise ConfigError(f"{where}{problem}")
    return replace(config, regions=order_words(config.regions))


def _freeze(value):
    return tuple(value) if isinstance(value, list) else value


def _list_problems(config: TrainingConfig):
    yield config.sheet_every and not config.sheet_prompts, "sheet_prompts is empty; sheets need a prompt."
    extra = " and ".join(config.extra_regions)
    yield extra and config.alignment == "published", f"alignment 'published' knows no {extra}; choose auto or matched."
    if not isinstance(config, MappingConfig):
        yield config.method != METHODS[0], f"method is {config.method}, which has keys of its own (MappingConfig)."
        return
    usual = {item.name: item.default for item in fields(MappingConfig)}
    idle = [name for name in IDLE if getattr(config, name) != usual[name]]
    yield idle, f"{' and '.join(idle)} does nothing with method: face2diffusion. Leave it out."
    yield not config.class_words, "class_words is empty; a class word is what the person takes the place of."
    yield config.base == SDXL.name, "base is sdxl, but the words of Face2Diffusion are for base models of SD1.x."


def _explain(kind: type[TrainingConfig], problem: Problem) -> str:
    if problem.kind == "missing":
        return f"it must name {problem.wanted}."
    if problem.kind == "unknown":
        return f"unknown key '{problem.found}'.{suggest(problem.found, [item.name for item in fields(kind)])}"
    return f"{problem.place} is {problem.found}; {problem.wanted} is needed."
