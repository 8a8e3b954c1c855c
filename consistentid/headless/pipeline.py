"""diffusers' own pipelines with facial conditioning: loading, schedulers, and the switch at the merge point."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..adapter.config import AdapterConfig
from ..errors import CheckpointError, ConsistentIDError
from ..merge import merge_step
from ..packages import needed
from ..weights import own_memory
from .conditioning import Conditioning
from .masks import RunMasks
from .schedulers import SCHEDULERS
from .unet import InstalledAdapter, check_base


@dataclass(frozen=True)
class Sampling:
    """How to sample. merge_at: fraction of the steps after which facial tokens act; seeds: one for each picture.

    image and mask (PIL, white is painted anew), strength: for inpainting; control_image and control_scale: for a
    ControlNet.
    """

    steps: int
    guidance: float
    width: int
    height: int
    merge_at: float
    seeds: tuple[int, ...]
    image: object = None
    mask: object = None
    strength: float = 1.0
    control_image: object = None
    control_scale: float = 1.0

    @property
    def run_steps(self) -> int:
        """How many steps are really run."""
        return min(int(self.steps * self.strength), self.steps) if self.image is not None else self.steps

    @property
    def merge_step(self) -> int:
        """The last text-only step that is really run, counted from 0."""
        return merge_step(self.merge_at, self.run_steps)


def load_pipeline(
    path: str | Path,
    config: AdapterConfig,
    dtype: torch.dtype = torch.float32,
    controlnet: str | Path = "",
    inpaint: bool = False,
    base_config: str | Path = "",
):
    """A diffusers pipeline from a single-file checkpoint or a diffusers folder.

    base_config: for a single file, a diffusers folder of the same base model, whose configuration and tokenizers are
    read; without it diffusers gets them from its cache or from the network. CheckpointError when it cannot be loaded.
    """
    diffusers = import_diffusers()
    path = Path(path)
    kind = getattr(diffusers, f"{config.pipeline}{'ControlNet' * bool(controlnet)}{'Inpaint' * inpaint}Pipeline")
    if not path.exists():
        raise CheckpointError(f"Checkpoint not found: {path}")
    for option, folder in (("--controlnet", controlnet), ("--base-config", base_config)):
        if folder and not Path(folder).is_dir():  # diffusers would look for it on the internet
            raise CheckpointError(f"{option} {folder} is not a folder; name a folder of diffusers on this machine.")
    try:
        parts: dict[str, Any] = {"dtype": dtype}
        if controlnet:
            load_controlnet = diffusers.ControlNetModel.from_pretrained
            parts["controlnet"] = load_controlnet(controlnet, dtype=dtype, local_files_only=True)
        if path.is_dir():
            pipeline = kind.from_pretrained(path, local_files_only=True, **parts)
        else:
            parts |= {"config": str(base_config), "local_files_only": True} if base_config else {}
            pipeline = kind.from_single_file(str(path), **parts)
    except Exception as error:
        advice = "" if path.is_dir() or base_config else " Without a network, name a diffusers folder of the same base "
        advice += "model with --base-config; only its configuration and tokenizers are read." if advice else ""
        raise CheckpointError(
            f"diffusers cannot load {path} as a checkpoint of {config.title} ({_describe_error(error)}).{advice}"
        ) from error
    check_base(pipeline.unet, config, f"A run with base {config.name}", str(path))
    _own_parts(pipeline)
    return pipeline


def _own_parts(pipeline) -> None:
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            own_memory(part)


def _describe_error(error: Exception) -> str:
    """Its kind and first line. diffusers raises plain Exceptions too for files that are damaged or something else."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0] or 'no details'}"


def import_diffusers() -> Any:
    """The module; its classes have no types here, since it names them only when asked for them."""
    with needed("diffusers", "The headless engine"):
        import diffusers
    return diffusers


def set_scheduler(pipeline, name: str) -> None:
    """Give the pipeline a scheduler of SCHEDULERS, on the noise schedule of its own."""
    if name not in SCHEDULERS:
        raise ConsistentIDError(f"Unknown scheduler '{name}'; choose {', '.join(SCHEDULERS)}.")
    kind, changes = SCHEDULERS[name]
    scheduler = getattr(import_diffusers(), kind)
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **{"use_karras_sigmas": False, **changes})


def load_loras(pipeline, loras: list[tuple[str, float]]) -> None:
    """Load LoRA files (`.safetensors`) of any kind diffusers knows, each with its weight. Raises CheckpointError."""
    with needed("peft", "LoRA files"):
        import peft  # noqa: F401
    names = [f"lora_{number}" for number in range(len(loras))]
    for name, (path, _) in zip(names, loras, strict=True):
        path = Path(path)
        if path.suffix != ".safetensors" or not path.is_file():
            raise CheckpointError(f"{path} is not a LoRA file: a .safetensors file is needed.")
        try:
            pipeline.load_lora_weights(
                str(path.parent), weight_name=path.name, adapter_name=name, local_files_only=True
            )
            pipeline.set_adapters(name)
        except Exception as error:
            raise CheckpointError(
                f"{path} is no LoRA that diffusers can load for this base model ({_describe_error(error)})."
            ) from error
    _own_parts(pipeline)
    pipeline.set_adapters(names, [weight for _, weight in loras])


def place_pipeline(pipeline, device: str, offload: bool = False) -> None:
    """Move the pipeline to a device; offload: only the part that runs, and decode in tiles, for small GPUs."""
    if offload:
        pipeline.enable_model_cpu_offload(device=device)
        pipeline.vae.enable_tiling()
        pipeline.vae.enable_slicing()
    else:
        pipeline.to(device)


def sample(
    pipeline, conditioning: Conditioning, sampling: Sampling, installed: InstalledAdapter | None = None, **options
):
    """Run a pipeline whose UNet has the adapter; returns its `images`.

    Steps i <= sampling.merge_step read conditioning.text, later ones conditioning.facial. installed: what is in the
    UNet, where ID tokens have a schedule. options: on_step(done, total), called before the first step and after each;
    more arguments of the pipeline, such as output_type="latent".
    """
    count, last_text_step = len(sampling.seeds) // len(conditioning.text.positive), sampling.merge_step
    guided = sampling.guidance > 1 and pipeline.unet.config.time_cond_proj_dim is None
    first = conditioning.facial if last_text_step < 0 else conditioning.text
    id_tokens = conditioning.stack_id_tokens(count, guided)
    masks = None
    if conditioning.people:
        size = (sampling.height // pipeline.vae_scale_factor, sampling.width // pipeline.vae_scale_factor)
        masks = RunMasks(conditioning.people, size, first.list_words(count, guided), tuple(range(count)) * (1 + guided))
    if id_tokens is not None:
        id_tokens = id_tokens.to(pipeline._execution_device, pipeline.unet.dtype)
        options["cross_attention_kwargs"] = {"id_tokens": id_tokens} | ({"masks": masks} if masks else {})
    on_step: Callable[[int, int], None] = options.pop("on_step", lambda done, total: None)
    watch = options.pop("callback_on_step_end", None)

    def switch(pipeline, step, timestep, tensors):
        on_step(step + 1, sampling.run_steps)
        changed = watch(pipeline, step, timestep, tensors) if watch else {}
        if installed:
            installed.begin_step((step + 1) / sampling.run_steps)
        if step == last_text_step:
            text, pooled = conditioning.facial.stack(count, guided)
            changed["prompt_embeds"] = text.to(tensors["prompt_embeds"])
            if masks:
                masks.words = conditioning.facial.list_words(count, guided)
            if pooled is not None:  # written in place, since not every SDXL pipeline takes it back
                tensors["add_text_embeds"].copy_(pooled)
        return changed

    texts = {"prompt_embeds": first.positive, "negative_prompt_embeds": first.negative}
    if first.pooled is not None:
        texts |= {"pooled_prompt_embeds": first.pooled, "negative_pooled_prompt_embeds": first.negative_pooled}
    tensors = ["latents", "prompt_embeds"] + (["add_text_embeds"] if first.pooled is not None else [])
    if installed:
        installed.begin_step(0.0)
    on_step(0, sampling.run_steps)
    return pipeline(
        **texts,
        **_list_images(sampling),
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance,
        width=sampling.width,
        height=sampling.height,
        num_images_per_prompt=count,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in sampling.seeds],
        callback_on_step_end=switch,
        callback_on_step_end_tensor_inputs=tensors,
        **options,
    ).images


def _list_images(sampling: Sampling) -> dict:
    """The pipeline's arguments for the pictures that guide it."""
    images = {}
    if sampling.image is not None:
        images = {"image": sampling.image, "mask_image": sampling.mask, "strength": sampling.strength}
    if sampling.control_image is not None:
        images["control_image" if images else "image"] = sampling.control_image
        images["controlnet_conditioning_scale"] = sampling.control_scale
    return images
