"""Print as JSON the tensor shapes of the host's SD1.5 UNet at width 320 and of its TAESD: `standins_host.py COMFYUI`.

A process of its own, because ComfyUI's modules can only be imported with its folder first on sys.path.
"""

import json
import sys

sys.path.insert(0, sys.argv.pop())

import comfy.options

comfy.options.enable_args_parsing(False)

from comfy.cli_args import args  # noqa: E402

args.cpu = True

import torch  # noqa: E402
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel  # noqa: E402
from comfy.ops import disable_weight_init  # noqa: E402
from comfy.taesd.taesd import TAESD  # noqa: E402

# SD1.5's block layout with every channel multiplier 1: all of its keys, a quarter of its size.
UNET = dict(
    image_size=32,
    in_channels=4,
    out_channels=4,
    model_channels=320,
    num_res_blocks=[2, 2, 2, 2],
    channel_mult=[1, 1, 1, 1],
    transformer_depth=[1, 1, 1, 1, 1, 1, 0, 0],
    transformer_depth_output=[1] * 9 + [0] * 3,
    transformer_depth_middle=1,
    num_heads=8,
    use_spatial_transformer=True,
    context_dim=768,
    use_linear_in_transformer=False,
)


def shapes(module):
    return {key: list(tensor.shape) for key, tensor in module.state_dict().items()}


with torch.device("meta"):
    unet = UNetModel(**UNET, dtype=torch.float32, device="meta", operations=disable_weight_init)
    vae = TAESD()

print(json.dumps({"unet": shapes(unet), "vae": shapes(vae)}))
