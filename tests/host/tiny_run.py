"""Seeded runs of tiny UNets, and a second, plain way to put a person into one, to compare with."""

import comfy.sample
import comfy.samplers
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch.nn.functional import linear

SIGMAS = torch.tensor([8.0, 3.0, 0.7, 0.0])
BORDER = 2.0  # between the second step of SIGMAS and the third


def tell(value: float, seed: int = 0, length: int = 77, width: int = 768) -> torch.Tensor:
    """A text embedding whose first number, `value`, tells whose it is: above zero a positive one."""
    text = torch.randn(1, length, width, generator=torch.Generator().manual_seed(seed))
    text[0, 0, 0] = value
    return text


class Portrait:
    """A person for a tiny UNet, and two ways to draw it: with this pack, and plainly."""

    def __init__(self, host, tiny, name="sd15"):
        self.host, self.width = host, 2048 if name == "sdxl" else 768
        self.id_tokens = 3 * torch.randn(2, 4, self.width, generator=torch.Generator().manual_seed(3))
        self.hosted, self.identity = tiny.make_adapter(host, self.id_tokens, name)
        self.model, self.twin = tiny.make_model(name), tiny.make_model(name)

    def apply(self, model=None, *args, **kwargs):
        return self.host.nodes.model.patching.apply_adapter(
            model or self.model, self.hosted, self.identity, *args, **kwargs
        )

    def apply_plainly(self, model=None):
        return put_in_plainly(model or self.twin, self.hosted, self.id_tokens)

    def make_conditions(self) -> tuple[list, list]:
        """Positive with a merge point before the last step of SIGMAS, and negative."""
        texts, facial, negative = self._tell()
        return self.host.nodes.text.conditioning.split_stages(texts, facial, 0.5), negative

    def make_plain_conditions(self, border: float = BORDER) -> tuple[list, list]:
        """The same for any MODEL: the merge point is a noise level."""
        texts, facial, negative = self._tell()
        texts[0][1].update(timestep_start=1e9, timestep_end=border)
        facial[0][1].update(timestep_start=border, timestep_end=-1.0)
        return texts + facial, negative

    def _tell(self) -> list[list]:
        pooled = {"pooled_output": torch.ones(1, 1280)} if self.width == 2048 else {}
        return [[[tell(value, seed, width=self.width), dict(pooled)]] for value, seed in ((1, 1), (2, 2), (-1, 3))]


def sample(model, conditions, cfg=5.0, sigmas=SIGMAS, latent=None, mask=None, sampler="euler", noise=None):
    """The latent after a run, from noise that is the same on each call; `latent`: [B, 4, 16, 16] of zeros if left out.

    conditions: positive and negative.
    """
    latent = torch.zeros(1, 4, 16, 16) if latent is None else latent
    noise = comfy.sample.prepare_noise(latent, 7) if noise is None else noise
    torch.manual_seed(7)  # some nodes draw numbers of their own
    kind = comfy.samplers.sampler_object(sampler)
    options = {"noise_mask": mask, "disable_pbar": True, "seed": 7}
    return comfy.sample.sample_custom(model, noise, cfg, kind, sigmas, *conditions, latent, **options)


def differ(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return float((a - b).abs().max() / b.abs().max())


def put_in_plainly(model, hosted, id_tokens):
    """A clone of `model` with a person, by the shortest code: dense weights, and tokens projected at every call.

    Whether a row is positive is read from its text (see `tell`), not from anything the host says about it.
    """
    clone = model.clone()
    for (site, attention, projection), lora in hosted.adapter.loras.items():
        name = "to_out.0" if projection == "to_out" else projection
        key = f"diffusion_model.{site.comfy}.{attention}.{name}.weight"
        clone.add_patches({key: (lora.up @ lora.down,)})
    texts = {}
    unet = clone.model.diffusion_model
    unet.register_forward_pre_hook(lambda _, args, kwargs: texts.update(now=kwargs["context"]), with_kwargs=True)

    def make(layer):
        def attend(q, k, v, extra_options):
            positive = (texts["now"][:, 0, 0] > 0).long()
            tokens = id_tokens[1 - positive]
            key, value = (linear(tokens, getattr(layer, name).weight) for name in ("to_k_ip", "to_v_ip"))
            heads = extra_options["n_heads"]
            return optimized_attention(q, k, v, heads) + optimized_attention(q, key, value, heads)

        return attend

    sites = dict.fromkeys(site for site, _, _ in hosted.adapter.loras)
    for site, layer in zip(sites, hosted.adapter.id_layers, strict=True):
        depth = site.depth if hosted.config.name == "sdxl" else None
        clone.set_model_attn2_replace(make(layer), *site.block, depth)
    return clone


def watch(host, monkeypatch, model) -> list[tuple[float, bool]]:
    """Fills a list with (first number of the text, got the person) for each part of a batch at each site."""
    seen, texts = [], {}
    unet = model.model.diffusion_model
    unet.register_forward_pre_hook(lambda _, args, kwargs: texts.update(now=kwargs["context"]), with_kwargs=True)
    select = host.nodes.model.attention.IDKeyValue.select

    def spy(self, conditional, query):
        rows = texts["now"][:: len(texts["now"]) // len(conditional), 0, 0]
        seen.extend(zip(rows.tolist(), conditional, strict=True))
        return select(self, conditional, query)

    monkeypatch.setattr(host.nodes.model.attention.IDKeyValue, "select", spy)
    return seen
