"""The figures: each compares ways in one run and gives seconds and ratios."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import comfy.model_management
import full_size
import torch
from baselines import ipadapter_attention, recomputed_attention, separate_loras, unfused_self_attention
from timing import compare, time_alternating, time_once

CPU_LATENT, SMALL_LATENT = (32, 32), (8, 8)
GPU_LATENTS = {"sd15": (96, 64), "sdxl": (144, 108)}


class Bench:
    """A base model at full size, its adapter and a person. small: another size, to try the same code out."""

    def __init__(self, pack, base: str, rounds: int, small: bool = False, dtype: torch.dtype | None = None):
        self.pack, self.base, self.rounds, self.is_small = pack, base, rounds, small
        self.device = comfy.model_management.get_torch_device()
        is_cpu = self.device.type == "cpu"
        self.dtype = dtype or (torch.float32 if is_cpu else torch.float16)
        self.latent = SMALL_LATENT if small else CPU_LATENT if is_cpu else GPU_LATENTS[base]
        self.channels = full_size.SMALL_CHANNELS if small else full_size.CHANNELS
        self.model = full_size.make_model(base, self.dtype, self.channels)
        self.identity = full_size.make_identity(pack.consistentid)
        self.file = Path(tempfile.mkdtemp()) / f"adapter_{base}.bin"
        torch.save(full_size.make_parts(pack.consistentid, base, torch.float16, self.channels), self.file)
        self.hosted = pack.nodes.model.hosting.HostedAdapter.load(str(self.file))
        self.apply = pack.nodes.model.patching.apply_adapter

    def close(self) -> None:
        comfy.model_management.unload_all_models()
        self.file.unlink()
        self.file.parent.rmdir()

    def measure_step(self, ipadapter: Path | None) -> dict:
        """One UNet call for a conditional and an unconditional row.

        The low-rank weights stay merged for `plain` too: other values, the same work.
        """
        model, step = self.prepare_step()
        unet, own = model.model.diffusion_model, list_patches(model)
        id_tokens = self.hosted.project_identity(self.identity)
        target = (self.dtype, self.device)
        products = recomputed_attention(self.hosted, id_tokens, *target)

        def separate(patches):
            def run():
                with separate_loras(unet, self.hosted):
                    return time_once(step(patches))

            return run

        ways = {
            "plain": lambda: time_once(step()),
            "adapter": lambda: time_once(step(own)),
            "authors_products": separate(products),
            "authors": separate({**products, **unfused_self_attention(self.hosted)}),
        }
        if ipadapter:
            patches = ipadapter_attention(ipadapter, self.hosted, id_tokens, *target)
            ways["ipadapter_plus"] = lambda: time_once(step(patches))
        return compare(time_alternating(ways, self.rounds))

    def prepare_step(self) -> tuple:
        """A loaded MODEL with the adapter, and what makes a step of seeded rows out of `patches_replace` or None."""
        model = self.apply(self.model, self.hosted, self.identity)
        comfy.model_management.load_models_gpu([model, *model.model_patches_models()])
        unet, make = model.model.diffusion_model, torch.Generator().manual_seed(1)
        latent, text, labels = (
            torch.randn(shape, generator=make).to(self.device, self.dtype)
            for shape in ((2, 4, *self.latent), (2, 77, self.hosted.config.width), (2, 2816))
        )
        options = {"cond_or_uncond": [1, 0], "sigmas": torch.ones(2, device=self.device)}
        options["original_shape"] = list(latent.shape)
        timesteps = torch.full((2,), 500.0, device=self.device)
        labels = labels if self.base == "sdxl" else None

        def step(patches: dict | None = None) -> Callable:
            extra = {**options, **({"patches_replace": patches} if patches else {})}
            return lambda: unet(latent, timesteps, context=text, y=labels, transformer_options=extra)

        return model, step

    def measure_switching(self) -> dict:
        """Reading the adapter's file; applying it to a MODEL; the host merging it into the weights and back.

        `copy` copies the weights that are merged there and back: less than the host must do. The last two are what a
        person waits for who changes a number: the node, then the host's loading of a MODEL that was there before.
        """
        patched = self.apply(self.model, self.hosted, self.identity)
        weights = [tensor for key, tensor in self.model.model.state_dict().items() if key in patched.patches]

        def merge():
            comfy.model_management.load_models_gpu([patched, *patched.model_patches_models()])
            comfy.model_management.load_models_gpu([self.model])

        def change(weight: float, lora_weight: float):
            comfy.model_management.load_models_gpu([patched, *patched.model_patches_models()])
            changed = []
            seconds = time_once(lambda: changed.append(self._apply_and_load(weight, lora_weight)))
            comfy.model_management.load_models_gpu([self.model])
            return seconds

        comfy.model_management.load_models_gpu([self.model])
        ways = {
            "load": lambda: self.pack.nodes.model.hosting.HostedAdapter.load(str(self.file)),
            "apply": lambda: self.apply(self.model, self.hosted, self.identity),
            "merge_unmerge": merge,
            "copy": lambda: [tensor.copy_(tensor.clone()) for tensor in weights],
        }
        timed = _timed(ways) | {
            "another_weight": lambda: change(0.9, 1.0),
            "another_lora_weight": lambda: change(1.0, 0.9),
        }
        return compare(time_alternating(timed, 1 if self.is_small else max(3, self.rounds // 3)))

    def _apply_and_load(self, weight: float, lora_weight: float):
        model = self.apply(self.model, self.hosted, self.identity, weight, lora_weight)
        comfy.model_management.load_models_gpu([model, *model.model_patches_models()])
        return model

    def measure_preparation(self, clip_vision) -> dict:
        """Everything of this pack before sampling: a person's first portrait, and the next with another prompt.

        Face detection is left out, which only makes the first portrait look cheaper. The host keeps the outputs of
        nodes whose inputs did not change: of the next portrait it runs only the text node.
        """
        from skimage.data import astronaut

        clip = full_size.make_clip(self.base)
        nodes, core = self.pack.nodes, self.pack.consistentid
        parser = core.face.parsing.BiSeNet().eval()
        full_size.fill(parser)
        keys = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
        prompts = (f"a portrait, number {number}" for number in range(10**6))

        def inject(identity):
            nodes.conditioning.InjectTokens.execute(
                clip, self.hosted, identity, next(prompts), "blurry, low quality", 0.6, "auto", ""
            )

        def first():
            core.identity.encode._zero_features.pop(clip_vision, None)
            parser.parse(astronaut(), self.hosted.config.parsing_px)
            encoder = nodes.identity.HostedClipVision(clip_vision)
            features, zero = core.identity.encode.encode_images(encoder, [astronaut()] * 6)
            regions = dict(zip(keys, features[1:], strict=True))
            identity = core.identity.Identity(features[0], zero, regions, self.identity.id_embedding)
            inject(identity)
            self.apply(self.model, self.hosted, identity)

        ways = {"first": first, "next": lambda: inject(self.identity)}
        return compare(time_alternating(_timed(ways), max(3, self.rounds // 3)))

    def measure_memory(self) -> dict:
        """Bytes the patch keeps beside the model while sampling, and bytes of ID keys and values."""
        model = self.apply(self.model, self.hosted, self.identity)
        widths = full_size.list_widths(self.base, self.channels)
        needed = sum(2 * 2 * 4 * width for width in widths) * self.dtype.itemsize
        owners = {id(owner): owner for owner in model.model_patches_models()}.values()
        figures = {"needed": needed, "owned": sum(owner.model_size() for owner in owners)}
        if self.device.type == "cuda":
            figures |= self._measure_peak(model)
        return figures

    def _measure_peak(self, model) -> dict:
        import comfy.model_management
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


def measure_encoding(pack, clip_vision, rounds: int) -> dict:
    """CLIP ViT-H for one identity: the authors' 12 images, ours with and without the zero image known."""
    from skimage.data import astronaut

    core, encoder = pack.consistentid.identity.encode, pack.nodes.identity.HostedClipVision(clip_vision)
    images = [astronaut()] * 6
    pixels = torch.zeros(5, 3, 224, 224)

    def run(batch):
        comfy.model_management.load_models_gpu([clip_vision.patcher])
        clip_vision.model(pixel_values=batch.to(clip_vision.load_device), intermediate_output=-2)

    def authors():
        for batch in (pixels[:1], pixels[:1], pixels, pixels):
            run(batch)

    def first():
        core._zero_features.pop(clip_vision, None)
        core.encode_images(encoder, images)

    ways = {"authors": authors, "first": first, "later": lambda: core.encode_images(encoder, images)}
    return compare(time_alternating(_timed(ways), max(3, rounds // 3)))


def list_patches(model) -> dict:
    """`patches_replace` of a MODEL."""
    return model.model_options["transformer_options"]["patches_replace"]


def _timed(ways: dict) -> dict:
    return {name: functools.partial(time_once, way) for name, way in ways.items()}
