"""What a run is made of, put together from its configuration."""

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch

from ..adapter.config import AdapterConfig, find_config
from ..dataset.records import read_records
from ..face2diffusion.encoder import load_msid
from ..headless.clip_vision import load_clip_vision
from ..headless.pipeline import load_pipeline
from ..packages import needed
from .checkpoints import load_checkpoint
from .config import ConfigError, MappingConfig, TrainingConfig
from .faces import read_faces
from .inputs import FrozenModels
from .mapping import TrainedMapping, start_mapping
from .model import TrainedAdapter, TrainedNetwork
from .samples import TrainingSamples
from .sharing import leave_frozen_weights, make_shared_optimizer, share_unet
from .start import start_adapter
from .words import FrozenWords, WordSamples

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

WAIT = timedelta(hours=12)
"""How long processes wait for one that draws a sheet or reads the faces; one that dies breaks its connections."""
KINDS = ("NO", "MULTI_CPU", "MULTI_GPU", "MULTI_NPU", "MULTI_XPU", "MULTI_MLU", "MULTI_MUSA", "MULTI_SDAA", "MULTI_HPU")
"""Of accelerate, in which every process holds all trained weights."""
DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Run:
    """A run in this process. accumulated: micro-batches of a step; step: those done; ema: None, or diffusers' EMAModel.

    model: the module itself; wrapped: as accelerate calls it. trained: its parameters by published name.
    samples, frozen and model belong together: of TrainingSamples, FrozenModels and TrainedAdapter, or of WordSamples,
    FrozenWords and TrainedMapping.
    """

    config: TrainingConfig
    base: AdapterConfig
    accelerator: Any
    accumulated: int
    samples: Any
    pipeline: Any
    frozen: Any
    model: TrainedNetwork
    wrapped: torch.nn.Module
    optimizer: Any
    ema: Any
    step: int

    @property
    def trained(self) -> dict[str, torch.nn.Parameter]:
        return self.model.name_trained()


def assemble_run(config: TrainingConfig) -> Run:
    """Load every model, make or restore what is trained, and hand it to accelerate. Raises ConsistentIDError."""
    config.check()
    accelerator, accumulated = start_accelerator(config)
    base = replace(find_config(config.base), regions=config.regions)
    pipeline = load_pipeline(config.checkpoint, base, base_config=config.base_config)
    if isinstance(config, MappingConfig):
        samples, frozen, model = _assemble_words(config, accelerator, pipeline, base)
    else:
        samples, frozen, model = _assemble_adapter(config, accelerator, pipeline, base)
    parameters = list(model.name_trained().values())
    shared = config.share_out and accelerator.num_processes > 1
    if shared:
        model.to(accelerator.device)  # which a shared optimiser asks for
        leave_frozen_weights(model)
    make_optimizer = make_shared_optimizer if shared else torch.optim.AdamW
    optimizer = make_optimizer(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    ema = make_ema(config, parameters)
    step = restore(config, accelerator, model, optimizer, ema)
    check_agreement(accelerator, step, len(samples.records))
    wrapped, optimizer = accelerator.prepare(model, optimizer, device_placement=[True, not shared])
    if shared:
        share_unet(pipeline.unet)
    if ema:
        ema.to(accelerator.device)
    return Run(config, base, accelerator, accumulated, samples, pipeline, frozen, model, wrapped, optimizer, ema, step)


def _assemble_adapter(config: TrainingConfig, accelerator, pipeline, base: AdapterConfig) -> tuple:
    samples = TrainingSamples(read_records(config.dataset), config)
    clip_vision = load_clip_vision(config.clip_vision, base)
    frozen = FrozenModels(pipeline, clip_vision, base, config, accelerator.device, DTYPES[config.precision])
    return samples, frozen, build_model(config, pipeline.unet, base)


def _assemble_words(config: MappingConfig, accelerator, pipeline, base: AdapterConfig) -> tuple:
    """The faces are read by the main process alone; the others take them from its file."""
    records, msid = read_records(config.dataset), load_msid(config.face2diffusion).to(accelerator.device)
    with accelerator.main_process_first():
        faces = read_faces(records, config, msid, accelerator.device)
    dtype = DTYPES[config.precision]
    frozen = FrozenWords(pipeline, base, config, accelerator.device, dtype)
    mapping = start_mapping(config, msid.sizes.feature_width, base, frozen.clip)
    if config.gradient_checkpointing:
        pipeline.unet.enable_gradient_checkpointing()
    return WordSamples(faces, config), frozen, TrainedMapping(pipeline.unet, frozen.clip, mapping, dtype)


def build_model(config: TrainingConfig, unet: "UNet2DConditionModel", base: AdapterConfig) -> TrainedAdapter:
    adapter = start_adapter(config, unet, base)
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    return TrainedAdapter(
        unet, adapter, DTYPES[config.precision], config.localisation_weight, config.localisation_blocks
    )


def start_accelerator(config: TrainingConfig):
    """The Accelerator of this process, and how many micro-batches it adds up."""
    with needed("accelerate", "Training"):
        from accelerate import Accelerator, InitProcessGroupKwargs
    accelerator = Accelerator(mixed_precision=config.precision, kwargs_handlers=[InitProcessGroupKwargs(timeout=WAIT)])
    if accelerator.distributed_type not in KINDS:
        kind = str(accelerator.distributed_type).rpartition(".")[2]
        raise ConfigError(
            f"accelerate is set up for {kind}. Start with `accelerate launch --multi_gpu`; what memory can be shared "
            "out among processes is by `share_out: true` in the configuration."
        )
    started = int(os.environ.get("WORLD_SIZE", 1))
    if accelerator.num_processes != started:
        raise ConfigError(
            f"{started} processes were started, but accelerate joins {accelerator.num_processes}. Start them with "
            "`accelerate launch --multi_gpu`; on a CPU set ACCELERATE_USE_CPU=true."
        )
    accelerator.gradient_accumulation_steps = config.count_accumulated(accelerator.num_processes)
    return accelerator, accelerator.gradient_accumulation_steps


def check_agreement(accelerator, step: int, records: int) -> None:
    """ConfigError unless every process, on whatever machine, begins after the same step with as many records."""
    found = accelerator.gather(torch.tensor([[step, records]], device=accelerator.device)).tolist()
    if any(one != found[0] for one in found):
        told = "; ".join(f"process {number} after step {one[0]} with {one[1]}" for number, one in enumerate(found))
        raise ConfigError(
            f"The processes do not begin alike, in steps and records: {told}. `output` and `dataset` have to be on a "
            "disk or at an address that all machines share."
        )


def make_ema(config: TrainingConfig, parameters: list[torch.nn.Parameter]):
    if not config.ema:
        return None
    with needed("diffusers", "ema"):
        from diffusers.training_utils import EMAModel

    return EMAModel(parameters, decay=config.ema)


def restore(config: TrainingConfig, accelerator, model: TrainedNetwork, optimizer, ema) -> int:
    """Take over the newest checkpoint of the output, if any; returns the steps that were done."""
    found = load_checkpoint(config)
    if not found:
        return 0
    step, tensors, state = found
    model.load(tensors)
    optimizer.load_state_dict(state["optimizer"])
    if ema:
        ema.load_state_dict(state["ema"])
    if accelerator.scaler is not None and state["scaler"]:
        accelerator.scaler.load_state_dict(state["scaler"])
    return step
