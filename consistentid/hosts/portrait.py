"""A portrait from settings to pictures: identity, text, UNet, sampling."""

import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from ..adapter.checkpoint import Adapter, load_adapter
from ..adapter.config import SD15, AdapterConfig
from ..errors import ConsistentIDError
from ..face.photo import open_photo
from ..face2diffusion.encoder import TextIdentity, encode_face, load_face2diffusion
from ..face2diffusion.word import normalise_word
from ..facial_text import compose_for_identity, describe_placement
from ..identity import Identity
from ..identity.file import load_identity
from .clip_text import ClipText
from .conditioning import Conditioning, encode_prompt, make_stage
from .diffusers_pipeline import Sampling, load_loras, load_pipeline, place_pipeline, sample, set_scheduler
from .diffusers_unet import install_adapter
from .model_files import find_files
from .photo_identity import PhotoModels, Stages, align_photo, encode_photo
from .portrait_settings import PortraitSettings, parse_lora


@dataclass(frozen=True)
class Portrait:
    """What came of a run. images: PIL; stages: (title, PIL image) of what led there; report: lines for people;
    settings: as run, with every default filled in."""

    images: list[Image.Image]
    stages: list[tuple[str, Image.Image]]
    report: list[str]
    settings: PortraitSettings


def draw_portrait(settings: PortraitSettings, progress: bool = False) -> Portrait:
    """Run the whole engine once. progress: show diffusers' progress bar. Raises ConsistentIDError."""
    settings.check()
    if settings.face:
        open_photo(settings.face)  # before models are looked for
    settings = find_files(settings)
    device, dtype = choose_device(settings)
    seed = random.randrange(2**32) if settings.seed is None else settings.seed
    settings = replace(settings, seed=seed, device=device, dtype=dtype)
    return (_draw_identity if settings.consistentid else _draw_word)(settings, progress)


def _draw_identity(settings: PortraitSettings, progress: bool) -> Portrait:
    adapter = load_adapter(settings.adapter)
    settings = settings.settle(adapter.config.name)
    loaders = (adapter.facial_encoder, adapter.id_projection)
    for network in loaders:
        network.to("cpu" if settings.offload else settings.device, torch.float32)
    identity, found = read_identity(settings, adapter, settings.device)
    people = read_people(settings, found, settings.device)
    pipeline = prepare_pipeline(settings, adapter.config, progress)
    clip = ClipText(pipeline, adapter.config, people)
    composed = compose_for_identity(
        settings.prompt, settings.caption, identity, adapter.config, clip.count_tokens, settings.alignment
    )
    conditioning = encode_prompt(clip, adapter, identity, composed, settings.negative, settings.alignment)
    installed = install_adapter(pipeline.unet, adapter, settings.weight, settings.lora_weight)
    try:
        images = sample(pipeline, conditioning, make_sampling(settings))
    finally:
        installed.remove()
    report = [found.report, describe_placement(composed, [identity]), f"Prompt: {composed.marked}"]
    return Portrait(images, _list_stages(found), report, settings)


def _draw_word(settings: PortraitSettings, progress: bool) -> Portrait:
    """Face2Diffusion alone."""
    settings = settings.settle(SD15.name)
    found = align_photo(settings.face, settings.face_package, settings.select, settings.index)
    people = read_people(settings, found, settings.device)
    pipeline = prepare_pipeline(settings, SD15, progress)
    clip = ClipText(pipeline, SD15, people)
    texts = [clip.encode(clip.tokenize(text))[0] for text in (settings.prompt, settings.negative)]
    stage = make_stage(*texts, None, None)
    images = sample(pipeline, Conditioning(stage, stage), make_sampling(settings))
    return Portrait(images, _list_stages(found), [found.report, f"Prompt: {settings.prompt}"], settings)


def _list_stages(found: Stages) -> list[tuple[str, Image.Image]]:
    return [(title, Image.fromarray(picture)) for title, picture in found.pictures]


def choose_device(settings: PortraitSettings) -> tuple[str, str]:
    """Device and precision by name; on their own the GPU in float16, or the CPU in float32.

    ConsistentIDError for a device that this machine has not.
    """
    device = settings.device
    if device == "auto":
        device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
        reason = str(error).strip().partition("\n")[0]
        raise ConsistentIDError(
            f"The device '{device}' cannot be used here ({reason}). Name another with --device; --device auto takes "
            "what there is, and --dtype auto the precision that suits it."
        ) from error
    on_cpu = torch.device(device).type == "cpu"
    if settings.offload and on_cpu:
        raise ConsistentIDError("--offload keeps parts off the GPU, but this run is on the CPU. Leave it out.")
    usual = "float32" if on_cpu else "float16"
    return device, usual if settings.dtype == "auto" else settings.dtype


def read_identity(settings: PortraitSettings, adapter: Adapter, device: str) -> tuple[Identity, Stages]:
    if settings.identity:
        return load_identity(settings.identity), Stages([], f"Identity: {settings.identity}")
    package = settings.face_package if settings.id_embedding else ""
    models = PhotoModels(settings.clip_vision, settings.face_parser, package, device)
    return encode_photo(
        settings.face, models, adapter.config.parsing_px, settings.select, settings.index, settings.framing
    )


def read_people(settings: PortraitSettings, found: Stages, device: str) -> dict[str, TextIdentity]:
    """Words of the prompt that are people."""
    if not settings.word:
        return {}
    networks = load_face2diffusion(settings.face2diffusion).to(device)
    return {normalise_word(settings.word): encode_face(networks, found.face_crop)}


def prepare_pipeline(settings: PortraitSettings, config: AdapterConfig, progress: bool):
    dtype, inpaint = getattr(torch, settings.dtype), bool(settings.image)
    pipeline = load_pipeline(settings.checkpoint, config, dtype, settings.controlnet, inpaint, settings.base_config)
    pipeline.set_progress_bar_config(disable=not progress)
    set_scheduler(pipeline, settings.scheduler)
    if settings.lora:
        load_loras(pipeline, [parse_lora(text) for text in settings.lora])
    place_pipeline(pipeline, settings.device, settings.offload)
    return pipeline


def make_sampling(settings: PortraitSettings) -> Sampling:
    size = (settings.width, settings.height)
    pictures = {name: _open_picture(getattr(settings, name), size) for name in ("image", "mask", "control_image")}
    return Sampling(
        settings.steps,
        settings.guidance,
        *size,
        settings.merge_at,
        tuple(settings.seed + number for number in range(settings.batch)),
        strength=settings.strength,
        control_scale=settings.control_scale,
        **pictures,
    )


def _open_picture(path: str, size: tuple[int, int]) -> Image.Image | None:
    """A guiding picture at the size that is drawn, or None for no path."""
    if not path:
        return None
    try:
        with Image.open(Path(path)) as image:
            return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    except OSError as error:
        raise ConsistentIDError(f"{path} cannot be read as a picture ({error}).") from error
