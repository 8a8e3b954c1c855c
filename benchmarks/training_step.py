"""`python -m benchmarks.training_step`: a step of training, ours against the released trainer's way.

SD1.5's UNet at full size with seeded weights and a new adapter in it, float32, forward and backward of one picture; CPU
time in alternation, and bytes kept for the backward pass. The optimiser is the same in both and left out. The released
trainer computes attention in separate products, keeps the scores of five self-attentions for the localisation loss
(train.py and functions.py, github.com/JackAILab/ConsistentID, commit e234008), runs six pictures through CLIP ViT-H for
each record, the missing regions as zeros, and keeps nothing of it. What VAE and CLIP Vision cost is counted, not run.
Needs about 6 GB and the packages of the extra training.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from consistentid.adapter.attention_maps import find_attention
from consistentid.adapter.config import SD15
from consistentid.headless import processors
from consistentid.training.losses import measure_localisation_loss
from consistentid.training.model import TrainedAdapter
from consistentid.training.start import make_adapter

from .timing import compare, time_alternating, time_processor
from .training_cost import make_encoders, make_unet

TOKENS = 5
KEPT_LAYERS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side-px", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    model, inputs = make_model(), make_inputs(args.side_px // 8)
    ways = {"ours": ours, "ours, checkpointing": checkpointed, "released trainer": theirs}
    kept = {name: count_kept(way, model, inputs) for name, way in ways.items()}
    timed = {name: lambda way=way: time_processor(lambda: take_step(way, model, inputs)) for name, way in ways.items()}
    print("| way | step | to the released trainer | kept for backward |\n|---|---|---|---|")
    for name, figures in compare(time_alternating(timed, args.rounds, warm_up=False)).items():
        ratio = figures.get("to_released trainer", 1.0)
        print(f"| {name} | {figures['seconds']:.2f} s | {ratio:.3f} | {kept[name] / 1e6:.0f} MB |")
    print_frozen(args.side_px)


def make_model() -> TrainedAdapter:
    unet = make_unet("sd15")
    return TrainedAdapter(unet, make_adapter(unet, SD15, 128, 0), torch.float32)


def make_inputs(side: int) -> dict:
    """Of one picture with five facial tokens."""
    sizes = SD15.sizes
    one, latent = torch.ones(1), torch.randn(1, 4, side, side)
    return {
        "noisy": latent,
        "target": latent.clone(),
        "timesteps": torch.tensor([500]),
        "loss_mask": torch.ones(1, 1, side, side),
        "text": torch.randn(1, 77, SD15.width),
        "pooled": None,
        "time_ids": None,
        "class_text": None,
        "class_pooled": None,
        "id_embeddings": torch.randn(1, 512),
        "photo_features": torch.randn(1, *sizes.image_shape),
        "id_weights": one,
        "region_features": torch.randn(TOKENS, *sizes.image_shape),
        "places": torch.arange(10, 10 + TOKENS),
        "strengths": torch.ones(TOKENS),
        "counts": [TOKENS],
        "region_masks": (torch.rand(1, TOKENS, side, side) > 0.5).float(),
        "positions": torch.arange(10, 10 + TOKENS)[None],
        "valid": torch.ones(1, TOKENS, dtype=torch.bool),
    }


def take_step(way: Callable, model: TrainedAdapter, inputs: dict) -> None:
    way(model, inputs).backward()
    model.zero_grad()


def ours(model: TrainedAdapter, inputs: dict) -> Tensor:
    return model(**inputs)["loss"]


def checkpointed(model: TrainedAdapter, inputs: dict) -> Tensor:
    model.unet.enable_gradient_checkpointing()
    loss = ours(model, inputs)
    model.unet.disable_gradient_checkpointing()
    return loss


def theirs(model: TrainedAdapter, inputs: dict) -> Tensor:
    """The same adapter with attention as separate products, and scores of self-attention in place of our maps."""
    scores: list[Tensor] = []

    def attend(query, key, value, heads, bias=None):
        attention = find_attention(query, key, heads)
        if query.shape == key.shape:
            scores.append(attention)
        return (attention @ value.unflatten(-1, (heads, -1)).transpose(1, 2)).transpose(1, 2).flatten(2)

    def add_identity(attended, query, id_kv, heads, weight):
        key, value = id_kv
        return attended + weight * attend(query, key, value, heads)

    model.maps.rest()
    model.localisation_weight, weight = 0.0, model.localisation_weight
    patches = {"attend": attend, "add_id_attention": add_identity}
    with mock.patch.multiple(processors, **patches):
        loss = model(**inputs)["loss"]
    model.localisation_weight = weight
    middle = scores[len(scores) // 2 - KEPT_LAYERS // 2 :][:KEPT_LAYERS]
    maps = {str(number): layer[..., :TOKENS] for number, layer in enumerate(middle)}
    return loss + weight * measure_localisation_loss(maps, inputs["region_masks"], inputs["valid"])


def count_kept(way: Callable, model: TrainedAdapter, inputs: dict) -> int:
    """Bytes kept between forward and backward pass, those of weights left out."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        owner = tensor if tensor._base is None else tensor._base
        if not isinstance(owner, nn.Parameter):
            kept[owner.untyped_storage().data_ptr()] = owner.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = way(model, inputs)
    del loss
    return sum(kept.values())


def print_frozen(side_px: int) -> None:
    """Operations of the frozen networks for one record."""
    for name, pictures in (("released trainer, and ours with five regions", 6), ("ours with three", 4)):
        with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
            encoders: list[Any] = make_encoders(replace(SD15, regions=SD15.regions[: pictures - 1]))
            for network, inputs in encoders[:2]:
                network(*inputs(side_px))
        print(
            f"{name}: {counter.get_total_flops() / 1e9:.0f} GFLOP of VAE and CLIP Vision, none of them from the cache"
        )


if __name__ == "__main__":
    main()
