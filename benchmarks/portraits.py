"""Whole portraits at full size with seeded weights: seconds and memory of each kind of workflow, stage by stage."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import comfy.model_management
import comfy.sample
import comfy.utils
import full_size
import torch
from figures import GPU_LATENTS, SMALL_LATENT, Bench
from timing import wait_for_gpu
from torch import Tensor

GUIDANCE = {"sd15": 5.0, "sdxl": 7.5}
MERGE_AT, STEPS = 0.6, 50
KINDS = ("portrait", "two people", "inpaint", "enlarged 1.5 times", "four at once")
TEXTS = ("a person in a forest, half-length portrait, film", "blurry, low quality")


@dataclass
class Drawn:
    """What a portrait took. seconds: by stage. peak, reserved: bytes of the GPU, by stage; empty without one."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=dict)
    in_parts: bool = False

    def to_json(self) -> dict:
        return {
            "seconds": sum(self.seconds.values()),
            "peak_bytes": max(self.peak.values(), default=0),
            "reserved_bytes": max(self.reserved.values(), default=0),
            "in_parts": self.in_parts,
            "stages": {"seconds": self.seconds, "peak_bytes": self.peak},
        }


class Studio:
    """Every model of a portrait, and the portraits it can draw."""

    def __init__(self, pack, base: str, small: bool = False):
        self.bench, self.base, self.small = Bench(pack, base, 1, small), base, small
        self.latent = SMALL_LATENT if small else GPU_LATENTS[base]
        self.clip, self.vae = full_size.make_clip(base, small), full_size.make_vae(small)
        self.nodes, self.core = pack.nodes, pack.consistentid

    def draw(self, kind: str = "portrait", steps: int = STEPS, with_person: bool = True) -> Drawn:
        """A picture of a kind, from texts to pixels. Without the person it is the same work of the base model alone."""
        drawn, bench = Drawn(), self.bench
        people, latent = self._list_people(kind), torch.zeros(4 if kind == "four at once" else 1, 4, *self.latent)
        model, mask = bench.model, None
        with measure_stage(drawn, "text"):
            conditions = self._encode(people, with_person)
        if with_person:
            with measure_stage(drawn, "apply"):
                model = bench.apply(bench.model, bench.hosted, people)
        if kind == "inpaint":
            with measure_stage(drawn, "encode"):
                latent = self.vae.encode(torch.full((1, *(8 * side for side in self.latent), 3), 0.5))
            mask = make_mask(self.latent, 0.5)
        with measure_stage(drawn, "sample"):
            latent = self._sample(model, latent, conditions, steps, 1.0, mask)
            if kind == "enlarged 1.5 times":
                height, width = (side * 3 // 2 // 8 * 8 for side in self.latent)
                larger = comfy.utils.common_upscale(latent, width, height, "bilinear", "disabled")
                latent = self._sample(model, larger, conditions, steps, 0.5, None)
            drawn.in_parts = bool(getattr(bench.model.model, "model_lowvram", False))
        with measure_stage(drawn, "decode"):
            self.vae.decode(latent)
        return drawn

    def read_person(self) -> Drawn:
        """CLIP Vision of a photo and its regions; the faces' models are small."""
        from skimage.data import astronaut

        vision, drawn = full_size.make_clip_vision(2 if self.small else 32, self.small), Drawn()
        encoder = self.nodes.identity.HostedClipVision(vision)
        with measure_stage(drawn, "read"):
            self.core.identity.encode.encode_images(encoder, [astronaut()] * 6)
        return drawn

    def clear(self) -> None:
        """Nothing on the GPU, as after ComfyUI's start."""
        comfy.model_management.unload_all_models()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _list_people(self, kind: str) -> tuple:
        person, identity = self.nodes.people.Person, self.bench.identity
        if kind != "two people":
            return (person(identity),)
        attention_mask = self.core.adapter.masks.AttentionMask
        left = make_mask(self.latent, 0.5)
        return tuple(person(identity, attention_mask(mask)) for mask in (left, 1 - left))

    def _encode(self, people: tuple, with_person: bool) -> tuple[list, list]:
        if with_person:
            inject = self.nodes.conditioning.InjectTokens.execute
            return inject(self.clip, self.bench.hosted, people, *TEXTS, MERGE_AT, "auto", "").args[:2]
        return tuple(self.clip.encode_from_tokens_scheduled(self.clip.tokenize(text)) for text in TEXTS)

    def _sample(self, model, latent: Tensor, conditions, steps: int, strength: float, mask: Tensor | None) -> Tensor:
        noise = comfy.sample.prepare_noise(latent, 0)
        how = (steps, GUIDANCE[self.base], "euler", "normal", *conditions, latent)
        return comfy.sample.sample(model, noise, *how, denoise=strength, noise_mask=mask, disable_pbar=True, seed=0)


@contextmanager
def measure_stage(drawn: Drawn, name: str) -> Iterator[None]:
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.reset_peak_memory_stats()
    wait_for_gpu()
    start = time.perf_counter()
    yield
    wait_for_gpu()
    drawn.seconds[name] = time.perf_counter() - start
    if has_gpu:
        drawn.peak[name] = torch.cuda.max_memory_allocated()
        drawn.reserved[name] = torch.cuda.max_memory_reserved()


def make_mask(latent: tuple[int, int], share: float) -> Tensor:
    """A MASK of the left `share` of the picture."""
    height, width = (8 * side for side in latent)
    mask = torch.zeros(1, height, width)
    mask[..., : int(width * share)] = 1
    return mask
