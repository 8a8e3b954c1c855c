"""The figures: each compares ways in one run and gives seconds and ratios."""

import tempfile
from pathlib import Path

import comfy.model_management
import full_size
import numpy as np
import torch
from baselines import ipadapter_attention, recomputed_attention, separate_loras
from timing import time_alternating, time_once

CPU_LATENT = (32, 32)
GPU_LATENTS = {"sd15": (96, 64), "sdxl": (144, 108)}


class Bench:
    """A base model at full size, its adapter and a person."""

    def __init__(self, pack, base: str, rounds: int):
        self.pack, self.base, self.rounds = pack, base, rounds
        self.device = comfy.model_management.get_torch_device()
        is_cpu = self.device.type == "cpu"
        self.dtype = torch.float32 if is_cpu else torch.float16
        self.latent = CPU_LATENT if is_cpu else GPU_LATENTS[base]
        self.model = full_size.make_model(base, self.dtype)
        self.identity = full_size.make_identity(pack.consistentid)
        self.file = Path(tempfile.mkdtemp()) / f"adapter_{base}.bin"
        torch.save(full_size.make_parts(pack.consistentid, base, torch.float16), self.file)
        self.hosted = pack.nodes.hosting.HostedAdapter.load(str(self.file))
        self.apply = pack.nodes.patching.apply_adapter

    def close(self) -> None:
        comfy.model_management.unload_all_models()
        self.file.unlink()
        self.file.parent.rmdir()

    def measure_step(self, ipadapter: Path | None) -> dict:
        """One UNet call for a conditional and an unconditional row."""
        model = self.apply(self.model, self.hosted, self.identity)
        comfy.model_management.load_models_gpu([model, *model.model_patches_models()])
        unet = model.model.diffusion_model
        width = self.hosted.config.width
        make = torch.Generator().manual_seed(1)
        latent, text, labels = (
            torch.randn(shape, generator=make).to(self.device, self.dtype)
            for shape in ((2, 4, *self.latent), (2, 77, width), (2, 2816))
        )
        options = {"cond_or_uncond": [1, 0], "sigmas": torch.ones(2, device=self.device)}
        options["original_shape"] = list(latent.shape)
        timesteps = torch.full((2,), 500.0, device=self.device)
        labels = labels if self.base == "sdxl" else None
        id_tokens = self.hosted.project_identity(self.identity)

        def step(patches=None):
            extra = {**options, **({"patches_replace": patches} if patches else {})}
            return lambda: unet(latent, timesteps, context=text, y=labels, transformer_options=extra)

        def authors_step():
            with separate_loras(unet, self.hosted):
                return time_once(authors)

        target = (self.dtype, self.device)
        ours = model.model_options["transformer_options"]["patches_replace"]
        authors = step(recomputed_attention(self.hosted, id_tokens, *target))
        ways = {"plain": step(), "adapter": step(ours)}
        if ipadapter:
            ways["ipadapter_plus"] = step(ipadapter_attention(ipadapter, self.hosted, id_tokens, *target))
        return self._alternate_steps(ways, authors_step)

    def _alternate_steps(self, ways: dict, authors_step) -> dict:
        """Like time_alternating; preparing the authors' UNet stays outside its time."""
        seconds = {name: [] for name in (*ways, "authors")}
        for number in range(self.rounds + 1):
            for name in list(ways) if number % 2 else list(reversed(ways)):
                seconds[name].append(time_once(ways[name]))
            seconds["authors"].append(authors_step())
        return {name: float(np.median(values[1:])) for name, values in seconds.items()}

    def measure_switching(self) -> dict:
        """Applying the adapter and having it merged and unmerged, against reading its file."""

        def switch():
            model = self.apply(self.model, self.hosted, self.identity)
            comfy.model_management.load_models_gpu([model, *model.model_patches_models()])
            comfy.model_management.load_models_gpu([self.model])

        comfy.model_management.load_models_gpu([self.model])
        load = lambda: self.pack.nodes.hosting.HostedAdapter.load(str(self.file))  # noqa: E731
        return time_alternating({"switch": switch, "load": load}, max(3, self.rounds // 3))

    def measure_memory(self) -> dict:
        """Bytes the patch keeps beside the model while sampling, and bytes of ID keys and values."""
        model = self.apply(self.model, self.hosted, self.identity)
        needed = sum(2 * 2 * 4 * width for width in full_size.WIDTHS[self.base]) * self.dtype.itemsize
        owners = {id(owner): owner for owner in model.model_patches_models()}.values()
        figures = {"needed": needed, "owned": sum(owner.model_size() for owner in owners)}
        if self.device.type == "cuda":
            figures |= self._measure_peak(model)
        return figures

    def _measure_peak(self, model) -> dict:
        import comfy.sample
        import comfy.samplers

        peaks = {}
        width = self.hosted.config.width
        cond = [[torch.zeros(1, 77, width), {"pooled_output": torch.zeros(1, 1280)}]]
        noise = torch.zeros(1, 4, *self.latent)
        for name, candidate in (("plain", self.model), ("adapter", model), ("plain", self.model), ("adapter", model)):
            comfy.model_management.unload_all_models()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            sampler = comfy.samplers.sampler_object("euler")
            sigmas = torch.tensor([8.0, 4.0, 1.0, 0.0])
            comfy.sample.sample_custom(candidate, noise, 5.0, sampler, sigmas, cond, cond, noise, disable_pbar=True)
            peaks[f"peak_{name}"] = torch.cuda.max_memory_allocated()
        return peaks


def measure_encoding(pack, rounds: int) -> dict:
    """CLIP ViT-H for one identity: the authors' 12 images, ours with and without the zero image known."""
    from skimage.data import astronaut

    clip_vision = full_size.make_clip_vision()
    encode = pack.nodes.identity.encode_images
    images = [astronaut()] * 6
    pixels = torch.zeros(5, 3, 224, 224)

    def run(batch):
        comfy.model_management.load_models_gpu([clip_vision.patcher])
        clip_vision.model(pixel_values=batch.to(clip_vision.load_device), intermediate_output=-2)

    def authors():
        for batch in (pixels[:1], pixels[:1], pixels, pixels):
            run(batch)

    def first():
        pack.nodes.identity._zero_features.pop(clip_vision, None)
        encode(clip_vision, images)

    ways = {"authors": authors, "first": first, "later": lambda: encode(clip_vision, images)}
    return time_alternating(ways, max(3, rounds // 3))
