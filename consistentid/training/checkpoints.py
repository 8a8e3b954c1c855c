"""What a run leaves: the weights as published, and checkpoints from which it goes on bit for bit.

OUTPUT/adapter.safetensors          the trained adapter, float16, when the run is done; adapter_ema.safetensors too
OUTPUT/mapping.safetensors          in its place Face2Diffusion's mapping network, with the msid it reads beside it
OUTPUT/checkpoints/00001000/        after 1000 steps: adapter.safetensors in float32, optimizer.pt, run.json
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from .. import __version__
from ..adapter.trained_regions import describe_regions
from ..errors import CheckpointError, describe_os_error
from ..face2diffusion.encoder import MAPPING, MSID, find_weights
from ..plural import count
from ..weights import read_weights, write_weights
from ..whole_file import replace_file
from .config import ConfigError, MappingConfig, TrainingConfig

FOLDER = "checkpoints"
ADAPTER, OPTIMIZER, RUN = "adapter.safetensors", "optimizer.pt", "run.json"


def name_result(config: TrainingConfig) -> Path:
    """Where the trained weights will be."""
    name = f"{MAPPING}.safetensors" if isinstance(config, MappingConfig) else ADAPTER
    return Path(config.output) / name


def put_encoder(config: MappingConfig) -> None:
    """Copy the encoder beside the mapping network, so that the output is a folder of Face2Diffusion."""
    source = find_weights(Path(config.face2diffusion), MSID)
    if source.parent.resolve() != Path(config.output).resolve():
        with replace_file(Path(config.output) / source.name) as part:
            shutil.copyfile(source, part)


def write_adapter(
    path: Path, tensors: Mapping[str, Tensor], config: TrainingConfig, step: int, dtype: torch.dtype
) -> None:
    """An adapter in the published layout, as safetensors; it appears only when it is whole.

    Its metadata says what it was trained on, and with which regions.
    """
    metadata = {"format": "pt", "consistentid": __version__, "base": config.base, "steps": str(step)}
    metadata |= describe_regions(config.regions)
    saved = {name: tensor.detach().to("cpu", dtype).clone() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_weights(path, saved, metadata)


def save_checkpoint(config: TrainingConfig, step: int, tensors: Mapping[str, Tensor], state: dict) -> Path:
    """Everything a run needs to go on after `step` steps; older checkpoints beyond config.keep are deleted.

    CheckpointError when it cannot be written; what is there is then left alone.
    tensors: trained ones, by published name. state: of the optimiser and what goes with it.
    """
    folder = Path(config.output) / FOLDER / f"{step:08d}"
    part = folder.with_name(f"{folder.name}.part")
    for left in folder.parent.glob("*.part"):  # by a run that was killed: this one is alone
        shutil.rmtree(left, ignore_errors=True)
    record = {"step": step, "version": __version__, "config": asdict(config)}
    try:
        write_adapter(part / ADAPTER, tensors, config, step, torch.float32)
        torch.save(state, part / OPTIMIZER)
        (part / RUN).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except (OSError, RuntimeError) as error:  # torch says RuntimeError when the disk is full
        shutil.rmtree(part, ignore_errors=True)
        why = describe_os_error(error) if isinstance(error, OSError) else error
        raise CheckpointError(
            f"{folder} could not be written ({why}). The same command goes on from the one before."
        ) from error
    _remove(folder)
    part.rename(folder)
    for old in list_checkpoints(config)[: -config.keep]:
        _remove(old)
    return folder


def _remove(folder: Path) -> None:
    """What makes it whole goes first, so that no half of it is taken for a checkpoint."""
    (folder / RUN).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def list_checkpoints(config: TrainingConfig) -> list[Path]:
    """Whole checkpoints of a run, the oldest first."""
    folder = Path(config.output) / FOLDER
    return sorted(path for path in folder.glob("*") if path.name.isdecimal() and (path / RUN).is_file())


def load_checkpoint(config: TrainingConfig) -> tuple[int, dict[str, Tensor], dict] | None:
    """(step, tensors, state) of the newest checkpoint; None for a run that has none yet.

    ConfigError when it was made with other settings that must not change; CheckpointError when it cannot be read.
    """
    found = list_checkpoints(config)
    if not found:
        return None
    try:
        record = json.loads((found[-1] / RUN).read_text(encoding="utf-8"))
        state = torch.load(found[-1] / OPTIMIZER, map_location="cpu", weights_only=True)
        step, before = record["step"], record["config"]
    except Exception as error:
        raise CheckpointError(
            f"{found[-1]} cannot be read ({type(error).__name__}: {error}). Delete it to go on from the one before."
        ) from error
    config.check_continued(before)
    if step > config.steps:
        raise ConfigError(f"{config.output} holds a run of {count(step, 'step')} already; steps is {config.steps}.")
    return step, read_weights(found[-1] / ADAPTER), state
