"""`python -m benchmarks.training_cost`: what a training at full size costs, counted, not measured.

Operations of matrix products and convolutions are counted in the networks of full size, on shapes alone: one forward
pass of what is frozen, forward and backward of the UNet with the adapter in it. Gradient checkpointing adds the UNet's
forward once more. Bytes are those of weights, optimiser, records and gradients. What is assumed stands in GPUS, SHARE
and PICTURES. Needs the packages of the extra training, no files and no GPU; docs/training.md has the tables.
"""

import argparse
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from consistentid.adapter.config import AdapterConfig, find_config
from consistentid.training.model import TrainedAdapter
from consistentid.training.start import make_adapter

PICTURES = 2_500_000
"""Five epochs, as the authors' train_SDXL.sh has, of FGID's 500,000 pictures."""
SHARE = 0.35
"""Of the peak that a training reaches; assumed."""
BATCH = 16
SIDES = {"sd15": 512, "sdxl": 1024}
RECORD_BYTES = {"sd15": 0.5e6, "sdxl": 1.8e6}
"""Of picture, label map and embedding as PNG; assumed."""


@dataclass(frozen=True)
class Gpu:
    """peak: operations a second, bf16 without sparsity, of the data sheet. memory: bytes. price: dollars an hour, an
    assumption to be replaced by one's own."""

    name: str
    peak: float
    memory: float
    price: float


GPUS = (
    Gpu("RTX 3090", 71e12, 24e9, 0.3),
    Gpu("RTX 4090", 165e12, 24e9, 0.5),
    Gpu("L40S", 362e12, 48e9, 1.0),
    Gpu("A100 80 GB", 312e12, 80e9, 1.6),
    Gpu("H100 SXM", 989e12, 80e9, 2.8),
)
UNETS = {
    "sd15": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "sdxl": {
        "cross_attention_dim": 2048,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10],
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}
TEXT_WIDTHS = {"sd15": [(768, 12)], "sdxl": [(768, 12), (1280, 32)]}


@dataclass(frozen=True)
class Count:
    """Operations for one picture, and numbers of weights."""

    frozen: int
    forward: int
    backward: int
    unet: int
    trained: int
    encoders: int

    @property
    def operations(self) -> int:
        """With gradient checkpointing."""
        return self.frozen + 2 * self.forward + self.backward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", nargs="+", choices=UNETS, default=list(UNETS))
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--share", type=float, default=SHARE, help="of the peak that is reached")
    args = parser.parse_args()
    for base in args.bases:
        print_costs(base, count_training(find_config(base)), args.pictures, args.share)


def print_costs(base: str, count: Count, pictures: int, share: float) -> None:
    fixed = 2 * (count.unet + count.encoders) + 16 * count.trained
    shared = fixed - 7 / 8 * (2 * count.unet + 8 * count.trained)
    print(
        f"{base}: {count.operations / 1e12:.2f} TFLOP a picture (frozen {count.frozen / 1e12:.2f}, UNet forward "
        f"{count.forward / 1e12:.2f} twice, backward {count.backward / 1e12:.2f}); {count.trained / 1e6:.0f} million "
        f"trained weights, {count.unet / 1e6:.0f} in the UNet, {count.encoders / 1e6:.0f} in the encoders; "
        f"{fixed / 1e9:.1f} GB on each GPU before activations, {shared / 1e9:.1f} of eight with share_out, "
        f"{4 * count.trained / 1e9:.1f} GB of gradients between GPUs in a step, "
        f"{pictures * RECORD_BYTES[base] / 1e12:.1f} TB of records read."
    )
    print("| GPU | hours of one | of eight | dollars | Gbit/s of gradients, each of eight |\n|---|---|---|---|---|")
    for gpu in GPUS:
        hours = pictures * count.operations / (gpu.peak * share) / 3600
        step_s = BATCH * count.operations / (8 * gpu.peak * share)
        # A ring sends and receives nearly twice the gradients in each step.
        traffic = 2 * 7 / 8 * 4 * count.trained * 8 / step_s / 1e9
        cells = [gpu.name, f"{hours:,.0f}", f"{hours / 8:,.0f}", f"{hours * gpu.price:,.0f}", f"{traffic:,.0f}"]
        print(f"| {' | '.join(cells)} |")


def count_training(base: AdapterConfig) -> Count:
    # Whether the adapter is in the UNet already is told by numbers, which shapes have not.
    with torch.device("meta"), mock.patch("consistentid.headless.unet.measure_share", lambda weights: 0.0):
        unet = make_unet(base.name)
        unet_weights = count_weights(unet)
        model = TrainedAdapter(unet, make_adapter(unet, base, 128, 0), torch.float32)
        encoders = make_encoders(base)
    side = SIDES[base.name]
    with FlopCounterMode(display=False) as frozen, torch.no_grad():
        for network, inputs in encoders:
            network(*inputs(side))
    forward, backward = count_steps(model, base, side // 8)
    trained = sum(parameter.numel() for parameter in model.name_trained().values())
    return Count(
        frozen.get_total_flops(),
        forward,
        backward,
        unet_weights,
        trained,
        sum(count_weights(network) for network, _ in encoders),
    )


def count_steps(model: TrainedAdapter, base: AdapterConfig, side: int) -> tuple[int, int]:
    """Operations forward and backward of the UNet for one picture."""
    rows: dict[str, Any] = {"device": "meta"}
    sizes = base.sizes
    text = torch.empty(1, 77, base.width, requires_grad=True, **rows)
    inputs = {"noisy": torch.empty(1, 4, side, side, **rows), "timesteps": torch.zeros(1, **rows)}
    inputs |= {"time_ids": torch.empty(1, 6, **rows)}
    pooled = torch.empty(1, 1280, **rows) if base.name == "sdxl" else None
    with FlopCounterMode(display=False) as forward:
        regions = torch.empty(len(base.regions), sizes.image_tokens, sizes.image_width, **rows)
        tokens = model.facial_encoder.encode_regions(regions)
        photo = torch.empty(1, sizes.image_tokens, sizes.image_width, **rows)
        id_tokens = model.id_projection(torch.empty(1, 512, **rows), photo, shortcut=base.shortcut)
        loss = model.predict(inputs, text, pooled, id_tokens).sum() + tokens.sum()
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return forward.get_total_flops(), backward.get_total_flops()


def make_unet(base: str):
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return UNet2DConditionModel(**UNETS[base])


def make_encoders(base: AdapterConfig) -> list:
    """Networks that see each picture once, and what they are given for a picture of so many pixels: the VAE's encoder,
    CLIP of the photo and its regions, and the text encoders."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel

    blocks: dict[str, Any] = {
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
    }
    vae = AutoencoderKL(layers_per_block=2, latent_channels=4, **blocks)
    vision = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16, patch_size=14
        )
    )
    pictures = 1 + len(base.regions)
    networks: list = [
        (vae.encoder, lambda side: (torch.empty(1, 3, side, side, device="meta"),)),
        (vision, lambda side: (torch.empty(pictures, 3, 224, 224, device="meta"),)),
    ]
    for width, layers in TEXT_WIDTHS[base.name]:
        sizes: dict[str, Any] = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
        sizes |= {"num_attention_heads": width // 64, "attn_implementation": "eager"}
        config = CLIPTextConfig(**sizes)
        networks.append((CLIPTextModel(config), lambda side: (torch.zeros(1, 77, dtype=torch.long, device="meta"),)))
    return networks


def count_weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


if __name__ == "__main__":
    main()
