"""A portrait from settings to pictures: identity, text, UNet, sampling."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from PIL import Image

from ..adapter.attention_maps import RegionMaps
from ..adapter.checkpoint import Adapter
from ..adapter.config import AdapterConfig, find_config
from ..attributes import Changed, change_attributes, parse_change
from ..errors import ConsistentIDError
from ..face.package import load_face_analysis
from ..face.photo import open_photo, open_picture
from ..face2diffusion.encoder import TextIdentity
from ..identity import Identity
from ..identity.encode import Stages, align_photo
from ..identity.people import Person
from ..prompt.align import FacialPrompt
from ..prompt.compose import compose_for_identity, compose_text, describe_placement
from ..prompt.encode import encode_plain
from ..prompt.group import find_letter
from ..prompt.unknown import describe_unknown, find_unknown_words
from ..terminal import show_progress
from .attention_maps import RecordedRun
from .clip_text import ClipText
from .conditioning import Conditioning, encode_prompt, make_stage
from .model_choice import find_files
from .option_texts import parse_lora
from .person import load_word_networks, prepare_adapter, read_everybody, read_people
from .pipeline import Sampling, load_loras, load_pipeline, place_pipeline, sample, set_scheduler
from .portrait_settings import PortraitSettings
from .unet import install_adapter


@dataclass(frozen=True)
class Portrait:
    """What came of a run. images: PIL; stages: (title, PIL image) of what led there; report: lines for people;
    settings: as run, with every default filled in; attention: of each picture, if that was asked for."""

    images: list[Image.Image]
    stages: list[tuple[str, Image.Image]]
    report: list[str]
    settings: PortraitSettings
    attention: tuple[RegionMaps, ...] = ()


def draw_portrait(settings: PortraitSettings, progress: bool = False, attention: bool = False) -> Portrait:
    """Run the whole engine once. Raises ConsistentIDError.

    progress: show the steps as a bar. attention: record where facial tokens act.
    """
    settings.check()
    if attention and not (settings.consistentid and settings.merge_at < 1):
        raise ConsistentIDError("--attention shows facial tokens; leave out --no-consistentid, and --merge-at 1.")
    photo = open_photo(settings.face) if settings.face else None
    settings = find_files(settings)
    device, dtype = choose_device(settings)
    seed = random.randrange(2**32) if settings.seed is None else settings.seed
    settings = replace(settings, seed=seed, device=device, dtype=dtype)
    if photo is None or settings.consistentid:
        return _draw_identity(photo, settings, progress, attention)
    return _draw_word(photo, settings, progress)


def _draw_identity(photo: np.ndarray | None, settings: PortraitSettings, progress: bool, attention: bool) -> Portrait:
    adapter, settings = prepare_adapter(settings)
    # What reads people is let go before the pipeline is loaded.
    people, stages = read_everybody(photo, settings, adapter)
    words = read_people(settings, stages[0], load_word_networks(settings))
    pipeline = prepare_pipeline(settings, adapter.config)
    identities = [person.identity for person in people]
    person: Changed | tuple[Person, ...] = people
    weight, schedule = settings.weight, None
    if not settings.person:
        person = change_person(identities[0], settings)
        identities, weight, schedule = [person.identity], weight * person.weight, person.schedule
    composed, conditioning = encode_text(pipeline, adapter, person, words, settings)
    installed = install_adapter(pipeline.unet, adapter, weight, settings.lora_weight, schedule)
    sampling, run = make_sampling(settings), None
    try:
        if attention:
            run = RecordedRun(installed, conditioning.tokens, sampling, pipeline.vae_scale_factor)
        told = {"on_step": watch_steps(progress), "callback_on_step_end": run}
        images = sample(pipeline, conditioning, sampling, installed, **told)
        maps = run.read() if run else []
    finally:
        installed.remove()
    names = [f"{find_letter(number)}: " if settings.person else "" for number in range(len(people))]
    found = [f"{name}{one.report}" for name, one in zip(names, stages, strict=True)]
    pictures = [
        (name + title, picture) for name, one in zip(names, stages, strict=True) for title, picture in _list_stages(one)
    ]
    report = [*found, describe_placement(composed, identities, adapter.config), f"Prompt: {composed.marked}"]
    clip = ClipText(pipeline, adapter.config, words)
    report += describe_unknown(find_unknown_words(composed.plain, adapter.config, clip))
    return Portrait(images, pictures, report, settings, tuple(maps))


def _draw_word(photo: np.ndarray, settings: PortraitSettings, progress: bool) -> Portrait:
    """Face2Diffusion alone."""
    base = find_config(settings.base)
    settings = settings.settle(base)
    found = align_photo(photo, load_face_analysis(settings.face_package), settings.select, settings.index)
    people = read_people(settings, found, load_word_networks(settings))
    pipeline = prepare_pipeline(settings, base)
    conditioning = encode_word_text(pipeline, base, people, settings)
    images = sample(pipeline, conditioning, make_sampling(settings), on_step=watch_steps(progress))
    return Portrait(images, _list_stages(found), [found.report, f"Prompt: {settings.prompt}"], settings)


def watch_steps(progress: bool) -> Callable[[int, int], None]:
    """For `sample`: a bar of the steps, or nothing."""
    return show_progress("Steps", "step") if progress else lambda done, total: None


def _list_stages(found: Stages) -> list[tuple[str, Image.Image]]:
    return [(title, Image.fromarray(picture)) for title, picture in found.pictures]


def choose_device(settings: PortraitSettings) -> tuple[str, str]:
    """Device and precision by name; on their own the GPU in float16, or the CPU in float32.

    ConsistentIDError for a device that this machine has not.
    """
    device = settings.device
    if device == "auto":
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        device = found.type if found else "cpu"
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


def change_person(identity: Identity, settings: PortraitSettings) -> Changed:
    """The person with the attributes that the settings change, described as they say."""
    described = replace(identity, caption=settings.caption.strip() or identity.caption)
    changes = dict(parse_change(text) for text in settings.change)
    return change_attributes(described, settings.prompt, changes, settings.change_strength)


def encode_text(
    pipeline,
    adapter: Adapter,
    people: Changed | tuple[Person, ...],
    words: dict[str, TextIdentity],
    settings: PortraitSettings,
) -> tuple[FacialPrompt, Conditioning]:
    """The prompt with the facial words of a person, or of people, and what the UNet is told. words: those that are a
    person through Face2Diffusion."""
    clip = ClipText(pipeline, adapter.config, words)
    config, alignment = adapter.config, settings.alignment
    if isinstance(people, Changed):
        composed = compose_for_identity(people.prompt, "", people.identity, config, clip, alignment)
        return composed, encode_prompt(clip, adapter, people.identity, composed, settings.negative)
    identities = [person.identity for person in people]
    composed = compose_text(settings.prompt, settings.caption, identities, config, clip, alignment)
    return composed, encode_prompt(clip, adapter, people, composed, settings.negative)


def encode_word_text(
    pipeline, base: AdapterConfig, people: dict[str, TextIdentity], settings: PortraitSettings
) -> Conditioning:
    """The prompt with a word that is the person, without an adapter."""
    clip = ClipText(pipeline, base, people)
    positive, negative = (encode_plain(clip, text)[0].rows for text in (settings.prompt, settings.negative))
    stage = make_stage(positive, negative, None, None)
    return Conditioning(stage, stage)


def prepare_pipeline(settings: PortraitSettings, config: AdapterConfig):
    dtype, inpaint = getattr(torch, settings.dtype), bool(settings.image)
    pipeline = load_pipeline(settings.checkpoint, config, dtype, settings.controlnet, inpaint, settings.base_config)
    pipeline.set_progress_bar_config(disable=True)
    set_scheduler(pipeline, settings.scheduler)
    if settings.lora:
        load_loras(pipeline, [parse_lora(text) for text in settings.lora])
    place_pipeline(pipeline, settings.device, settings.offload)
    return pipeline


def make_sampling(settings: PortraitSettings) -> Sampling:
    width, height, guidance, seed = cast(  # all are there once `settle` and `draw_portrait` have chosen
        tuple[int, int, float, int], (settings.width, settings.height, settings.guidance, settings.seed)
    )
    size = (width, height)
    pictures = {name: _open_picture(getattr(settings, name), size) for name in ("image", "mask", "control_image")}
    return Sampling(
        settings.steps,
        guidance,
        width,
        height,
        settings.merge_at,
        tuple(seed + number for number in range(settings.batch)),
        strength=settings.strength,
        control_scale=settings.control_scale,
        **pictures,
    )


def _open_picture(path: str, size: tuple[int, int]) -> Image.Image | None:
    """A guiding picture at the size that is drawn, or None for no path."""
    if not path:
        return None
    return open_picture(path).resize(size, Image.Resampling.LANCZOS)
