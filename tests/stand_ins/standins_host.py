"""Print as JSON the tensor shapes of the host's UNet at width 320 and of its TAESD: `standins_host.py COMFYUI BASE`.

A process of its own, because ComfyUI's modules can only be imported with its folder first on sys.path.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

import comfy.options

comfy.options.enable_args_parsing(False)

from comfy.cli_args import args  # noqa: E402

args.cpu = True

import torch  # noqa: E402
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel  # noqa: E402
from comfy.ops import disable_weight_init  # noqa: E402
from comfy.taesd.taesd import TAESD  # noqa: E402

# The block layouts with every channel multiplier 1: all keys of the real UNets, a fraction of their size.
UNETS = {
    "sd15": dict(
        num_res_blocks=[2, 2, 2, 2],
        channel_mult=[1, 1, 1, 1],
        transformer_depth=[1, 1, 1, 1, 1, 1, 0, 0],
        transformer_depth_output=[1] * 9 + [0] * 3,
        transformer_depth_middle=1,
        num_heads=8,
        context_dim=768,
        use_linear_in_transformer=False,
    ),
    "sdxl": dict(
        num_res_blocks=[2, 2, 2],
        channel_mult=[1, 1, 1],
        transformer_depth=[0, 0, 2, 2, 10, 10],
        transformer_depth_output=[0, 0, 0, 2, 2, 2, 10, 10, 10],
        transformer_depth_middle=10,
        num_head_channels=64,
        context_dim=2048,
        use_linear_in_transformer=True,
        num_classes="sequential",
        adm_in_channels=2816,
    ),
}
SHARED = dict(image_size=32, in_channels=4, out_channels=4, model_channels=320, use_spatial_transformer=True)


def shapes(module):
    return {key: list(tensor.shape) for key, tensor in module.state_dict().items()}


with torch.device("meta"):
    unet = UNetModel(**UNETS[sys.argv[2]], **SHARED, dtype=torch.float32, device="meta", operations=disable_weight_init)
    vae = TAESD()

print(json.dumps({"unet": shapes(unet), "vae": shapes(vae)}))
