"""What a portrait needs on a GPU, estimated from sizes: `python benchmarks --estimate`, which runs nothing.

Weights are counted in the networks of full size, in float16. What sampling and decoding need beside them is ComfyUI's
own estimate, by which it decides what to unload. Work is counted in the UNet's matrix products, both rows of guidance.
"""

import comfy.sd
import torch
from full_size import list_module_shapes, make_clip_vision, make_config, make_layout
from torch.utils.flop_counter import FlopCounterMode

PICTURE_PX = {"sd15": (512, 768), "sdxl": (864, 1152)}
STEPS = 30
SPEED = 10e12
"""Operations a second that the time is given for."""
VAE_PARAMETERS = 83_653_863
"""Of the autoencoder that SD1.5 and SDXL share; ComfyUI makes it from a file only."""
COLUMNS = ("base", "picture", "UNet", "text encoders", "VAE", "CLIP Vision", "adapter", "sampling", "decoding", "peak")


def print_estimates(core, bases: list[str]) -> None:
    """A row of docs/models.md for each base."""
    columns = [*COLUMNS, "all at once", "TFLOP a picture", f"at {SPEED / 1e12:.0f} TFLOP/s"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    clip_vision = 2 * count(make_clip_vision().model)
    for base in bases:
        sizes = measure(core, base) | {"clip_vision": clip_vision}
        print(f"| {' | '.join(list_cells(base, sizes))} |", flush=True)


def measure(core, base: str) -> dict[str, float]:
    """Bytes of each part in float16, what each stage needs beside them, and the operations of a step."""
    width, height = (side // 8 for side in PICTURE_PX[base])
    layout = make_layout(base, torch.float16)
    adapter = core.adapter.config.find_config(base)
    with torch.device("meta"):
        model = make_config(layout).get_model({}, device="meta")
        facial = core.adapter.facial_encoder.FacialEncoder(adapter.width)
        projection = core.adapter.id_projection.IDProjection(adapter.width)
    keys = sum(a * b for key, (a, b) in list_module_shapes(base, adapter.width).items() if "_ip" in key)
    clip = comfy.sd.CLIP(make_config(layout).clip_target({}), embedding_directory=None)
    area = 2 * width * height
    return {
        "unet": 2 * count(model.diffusion_model),
        "text": 2 * count(clip.cond_stage_model),
        "vae": 2 * VAE_PARAMETERS,
        "adapter": 2 * (count(facial) + count(projection) + keys),
        "sampling": area * 2 * 0.01 * model.memory_usage_factor * 2**20,
        "decoding": 2178 * width * height * 64 * 2,
        "operations": count_operations(model.diffusion_model, (2, 4, height, width), adapter.width),
    }


def count_operations(unet, shape: tuple[int, ...], text_width: int) -> int:
    """Of one step with both rows, on shapes alone."""
    rows = {"device": "meta", "dtype": torch.float16}
    extra = {"y": torch.empty(2, 2816, **rows)} if unet.num_classes else {}
    context = torch.empty(2, 77, text_width, **rows)
    with FlopCounterMode(display=False) as counter:
        unet(torch.empty(shape, **rows), torch.empty(2, **rows), context=context, **extra)
    return counter.get_total_flops()


def list_cells(base: str, sizes: dict[str, float]) -> list[str]:
    parts = [sizes[name] for name in ("unet", "text", "vae", "clip_vision", "adapter")]
    stages = [sizes["sampling"], sizes["decoding"]]
    peak = max(sizes["unet"] + sizes["adapter"] + stages[0], sizes["vae"] + stages[1], sizes["clip_vision"])
    work = sizes["operations"] * STEPS
    told = [*parts, *stages, peak, sum(parts) + max(stages)]
    picture = "{}x{}, {} steps".format(*PICTURE_PX[base], STEPS)
    return [base, picture, *(f"{size / 1e9:.1f} GB" for size in told), f"{work / 1e12:.0f}", f"{work / SPEED:.0f} s"]


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
